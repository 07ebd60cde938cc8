#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/run.sh -- installs what is missing, builds Phonebook three times and runs every test (docs/testing.md).
#
#   sh test/run.sh [PART]...            default: all of them, in this order:
#       format floors plain asan tsan flow
#
# The last line is "N passed, N failed", single subtests counted; it exits 0 only if something passed and nothing
# failed. Nothing is ever skipped: what is missing is installed, or has failed.
set -u

root=$(cd "$(dirname "$0")/.." && pwd) && cd "$root" || exit 1
. conf/packages.sh

total_passed=0
total_failed=0
builds=build-test

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

started=$(date +%s)
say()
{
	printf '%4d s  %s\n' $(($(date +%s) - started)) "$*"
}

# Adds the counts of the given logs to the totals, and shows what failed.
tally()
{
	counts=$(python3 test/support/tally.py "$@") || counts='0 1'
	total_passed=$((total_passed + ${counts% *}))
	total_failed=$((total_failed + ${counts#* }))
}

# One command that is one test.
check()
{
	what=$1
	shift
	say "$what"
	if "$@" >"$scratch/log" 2>&1; then
		total_passed=$((total_passed + 1))
	else
		cat "$scratch/log"
		echo "failed: $*"
		total_failed=$((total_failed + 1))
		return 1
	fi
}

format()
{
	check 'format' sh -c 'find src include test -name "*.[ch]" -print0 | xargs -0 clang-format --dry-run --ferror-limit=1 -Werror'
}

floors()
{
	check 'floors' sh test/floors.sh
	check 'floors are really checked' sh test/floors.sh --self-test
}

# build NAME [MESON OPTION]...: configures and builds into build-test/NAME.
build()
{
	name=$1
	shift
	if [ ! -f "$builds/$name/build.ninja" ]; then
		set -- meson setup "$builds/$name" --werror -Dtests=enabled "$@"
		check "$name: configure" timeout 120 "$@" || return 1
	fi
	check "$name: build" timeout 900 ninja --quiet -C "$builds/$name"
}

# Sanitizers map their shadow memory at fixed places, and on kernels with much address randomization clang 14
# finds something there already, now and then. Where switching it off is forbidden we take the chance.
without_randomization()
{
	if setarch -R true 2>/dev/null; then
		setarch -R "$@"
	else
		"$@"
	fi
}

# run_tests NAME MULTIPLIER: meson's tests of one build.
run_tests()
{
	say "$1: test"
	rm -f "$builds/$1/meson-logs/testlog.json"
	# meson's own verdict is not needed: every line of its log is counted.
	CK_TIMEOUT_MULTIPLIER=$2 without_randomization timeout 600 \
		meson test -C "$builds/$1" --no-rebuild --timeout-multiplier "$2" --num-processes 2 \
		</dev/null >"$scratch/log" 2>&1
	tally "$builds/$1/meson-logs/testlog.json"
}

# run_flow STORY NAME: one story of test/flow with the programs of one build.
run_flow()
{
	say "$2: $1"
	without_randomization timeout 300 sh "test/flow/$1.sh" "$builds/$2" </dev/null >"$scratch/$1-$2.tap" 2>&1
	tally "$scratch/$1-$2.tap"
}

export ASAN_OPTIONS='detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1'
export UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1'
export TSAN_OPTIONS='halt_on_error=1:second_deadlock_stack=1'

plain()
{
	build plain && run_tests plain 1
}

asan()
{
	build asan -Db_sanitize=address,undefined || return
	run_tests asan 3
	run_flow daemon asan
}

tsan()
{
	CC=clang build tsan -Db_sanitize=thread -Db_lundef=false || return
	run_tests tsan 5
	run_flow daemon tsan
}

flow()
{
	build plain || return
	run_flow daemon plain
	run_flow registry plain
	run_flow etcd plain
	run_flow etcd_access plain
	run_flow etcd_members plain
	run_flow clients plain
	run_flow quickstart plain
}

[ $# -gt 0 ] || set -- format floors plain asan tsan flow
for part in "$@"; do
	case $part in
	format | floors | plain | asan | tsan | flow) ;;
	*)
		echo "usage: sh test/run.sh [format|floors|plain|asan|tsan|flow]..." >&2
		exit 2
		;;
	esac
done

if check 'packages' packages_install $packages_to_build $packages_to_try $packages_to_test; then
	for part in "$@"; do
		"$part"
	done
fi

say done
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/run.sh -- installs what is missing, builds Phonebook three times and runs every test (docs/testing.md).
#
#   sh test/run.sh [PART]...            default: all of them, in this order:
#       format floors plain asan tsan flow
#
# The last line is "N passed, N failed", single subtests counted; it exits 0 only if something passed and nothing
# failed. Nothing is ever skipped: what is missing is installed, or has failed. It comes in any case, after 18
# minutes at the latest, and nothing that was started is left behind.
set -u

root=$(cd "$(dirname "$0")/.." && pwd) && cd "$root" || exit 1

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

builds=build-test
limit_s=1080 # for everything
# Most tests wait for something most of the time. A test under a sanitizer takes up to 300 MB.
side_by_side=$(($(nproc) > 1 ? 8 : 4))

scratch=$(mktemp -d) || exit 1
ahead= # the shell that compiles while tests wait
export PHONEBOOK_TEST_RUN="$scratch" # the mark of all that is started from here
# A compiler cache, where there is one, wants to write at home.
[ -w "${HOME:-/nonexistent}" ] || export CCACHE_DISABLE=1

# --- counting ---

started=$(date +%s)
say()
{
	printf '%4d s  %s\n' $(($(date +%s) - started)) "$*"
}

count() # PASSED FAILED
{
	echo "$1 $2" >>"$scratch/counts"
}

# Adds the counts of the given logs, and shows what failed.
tally()
{
	counts=$(python3 test/support/tally.py "$@") || counts='0 1'
	count $counts
}

# One command that is one test.
check()
{
	what=$1
	shift
	say "$what"
	if "$@" >"$scratch/log" 2>&1; then
		count 1 0
	else
		cat "$scratch/log"
		echo "failed: $*"
		count 0 1
		return 1
	fi
}

# --- the end, however it comes ---

# The numbers of those who run with our mark, but not of those who look for it.
find_marked()
{
	env -u PHONEBOOK_TEST_RUN sh -c \
		'grep -lszxF "PHONEBOOK_TEST_RUN=$1" /proc/[0-9]*/environ | cut -d / -f 3' - "$scratch"
}

# Who still runs was left behind by a test. That is a failure of its own; and it would keep the output of whoever has
# started us open. Several times: one may be about to start another.
end_leftovers()
{
	left=$(find_marked)
	[ -n "$left" ] || return
	echo "left behind:"
	for pid in $left; do
		tr '\0' ' ' <"/proc/$pid/cmdline"
		echo
	done 2>/dev/null
	count 0 1
	for try in 1 2 3 4 5; do
		kill -KILL $left
		sleep 0.2
		left=$(find_marked)
		[ -n "$left" ] || return
	done 2>/dev/null
}

conclude()
{
	trap '' HUP INT TERM
	[ -z "$ahead" ] || kill "$ahead" 2>/dev/null
	end_leftovers
	touch "$scratch/counts"
	passed=$(awk '{ n += $1 } END { print n + 0 }' "$scratch/counts")
	failed=$(awk '{ n += $2 } END { print n + 0 }' "$scratch/counts")
	rm -rf "$scratch"
	say 'done'
	echo "$passed passed, $failed failed"
	# Within a trap, exit alone would give the status from before the trap.
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] && exit 0
	exit 1
}

interrupted()
{
	echo 'interrupted'
	count 0 1
	exit 1
}
trap conclude EXIT
trap interrupted HUP INT TERM

# at_most SECONDS COMMAND...: and never beyond the end of the run. The shell waits for it with wait, so that a
# signal is heard at once.
at_most()
{
	left_s=$((started + limit_s - $(date +%s)))
	[ "$left_s" -lt "$1" ] || left_s=$1
	[ "$left_s" -gt 0 ] || { echo "no time is left for $2"; return 1; }
	shift
	timeout --kill-after=10 "$left_s" "$@" </dev/null &
	wait $!
}

# --- parts ---

# Nothing that apt starts is ours to end.
packages()
{
	at_most 600 env -u PHONEBOOK_TEST_RUN sh -c \
		'. conf/packages.sh && packages_install $packages_to_build $packages_to_try $packages_to_test'
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

configure() # NAME
{
	set -- "$builds/$1" --werror -Dtests=enabled
	case $1 in
	*/plain) at_most 120 meson setup "$@" ;;
	*/asan) at_most 120 meson setup "$@" -Db_sanitize=address,undefined ;;
	*/tsan) at_most 120 env CC=clang meson setup "$@" -Db_sanitize=thread -Db_lundef=false ;;
	esac
}

# A build directory that is of this tree, and not moved, of another meson, or half a one.
is_usable()
{
	grep -qF "\"source\": \"$root\"" "$1/meson-info/meson-info.json" 2>/dev/null &&
		at_most 120 ninja -C "$1" build.ninja >/dev/null 2>&1
}

# build NAME: configures and builds into build-test/NAME.
build()
{
	wait $ahead
	ahead=
	is_usable "$builds/$1" || rm -rf "${builds:?}/$1"
	[ -d "$builds/$1" ] || check "$1: configure" configure "$1" || return
	check "$1: build" at_most 900 ninja --quiet -C "$builds/$1"
}

# Compiles what comes later while tests wait. Nobody judges that here: build() will say what is wrong.
build_ahead() # NAME...
{
	for name in "$@"; do
		[ -d "$builds/$name" ] || configure "$name"
		at_most 900 nice ninja --quiet -C "$builds/$name"
	done >/dev/null 2>&1 &
	ahead=$!
}

# --- testing ---

export ASAN_OPTIONS='detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1'
export UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1'
export TSAN_OPTIONS='halt_on_error=1:second_deadlock_stack=1'

# Sanitizers map their shadow memory at fixed places, and on kernels with much address randomization clang 14
# finds something there already, now and then. Where switching it off is forbidden we take the chance.
without_randomization=
! setarch -R true 2>/dev/null || without_randomization='setarch -R'

# run_tests NAME MULTIPLIER: meson's tests of one build.
run_tests()
{
	say "$1: test"
	rm -f "$builds/$1/meson-logs/testlog.json"
	# meson's own verdict is not needed: every line of its log is counted.
	CK_TIMEOUT_MULTIPLIER=$2 at_most 600 $without_randomization meson test -C "$builds/$1" --no-rebuild \
		--timeout-multiplier "$2" --num-processes "$side_by_side" >/dev/null 2>&1
	tally "$builds/$1/meson-logs/testlog.json"
}

# run_stories NAME STORY...: stories of test/flow with the programs of one build, side by side.
run_stories()
{
	name=$1
	shift
	say "$name: $*"
	running=
	for story in "$@"; do
		at_most 300 $without_randomization sh "test/flow/$story.sh" "$builds/$name" \
			>"$scratch/$story-$name.tap" 2>&1 &
		running="$running $!"
	done
	wait $running
	for story in "$@"; do
		tally "$scratch/$story-$name.tap"
	done
}

# Beside others everything takes longer than it should: hence 3 where nothing is sanitized, too. How fast things
# are is judged by the stories.
plain()
{
	build plain || return
	build_ahead $sanitized
	run_tests plain 3
}

asan()
{
	build asan || return
	run_stories asan daemon &
	story=$!
	run_tests asan 3
	wait $story
}

tsan()
{
	build tsan || return
	run_stories tsan daemon &
	story=$!
	run_tests tsan 5
	wait $story
}

flow()
{
	build plain || return
	run_stories plain daemon
	run_stories plain privileges registry restart etcd etcd_access etcd_members clients quickstart
	run_stories plain faults soak
}

sanitized=$(printf '%s\n' "$@" | grep -xE 'asan|tsan')

check 'packages' packages
for part in "$@"; do
	"$part"
done

# SPDX-License-Identifier: BSD-2-Clause
# test/flow/tap.sh -- what the stories in this directory share: TAP, a directory of their own, phonebookd, and an end
# that leaves nothing behind. Sourced with the build directory as $1.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:?usage: sh $0 BUILD_DIRECTORY}" && pwd) || exit 1
phonebookd=$build/src/phonebookd
client="python3 $root/test/flow/client.py"
dir=$(mktemp -d) || exit 1
log=$dir/log
tests=0
started=

# Sanitized programs are slower, larger, and must not say anything.
sanitized=no
grep -q __asan_init "$phonebookd" && sanitized=address
grep -q __tsan_init "$phonebookd" && sanitized=thread

# Ports that no other story and no test program gets while this one runs: a lane of 200, its lock held by this shell
# and all it starts (test/support/harness.c does the same). client.py picks those that are free.
take_lane()
{
	for i in $(seq 0 99); do
		lane=$((($$ + i) % 100))
		lock=/tmp/phonebook-test-lane.$lane
		[ -e $lock ] || (umask 022 && : >$lock) 2>/dev/null
		[ -r $lock ] && exec 9<$lock && flock -n 9 && export PORTS_FROM=$((12000 + lane * 200)) && return
	done
	echo 'Bail out! all lanes of ports are taken, or /tmp/phonebook-test-lane.* cannot be read'
	exit 1
}
take_lane

finish()
{
	for one in $started; do
		kill -KILL "$one" 2>/dev/null
	done
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# check WHAT COMMAND...: one test; its output is shown if it fails.
check()
{
	what=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$dir/check.out" 2>&1 </dev/null; then
		echo "ok $tests - $what"
	else
		echo "not ok $tests - $what"
		echo "# $*"
		sed 's/^/#   /' "$dir/check.out"
	fi
}

# equal WANTED COMMAND...: the command's output is exactly that.
equal()
{
	wanted=$1
	shift
	got=$("$@") || { echo "exit $?: $*"; return 1; }
	[ "$got" = "$wanted" ] || { printf 'got:    %s\nwanted: %s\n' "$got" "$wanted"; return 1; }
}

# output_has PATTERN COMMAND...: the command succeeds and a line matches.
output_has()
{
	pattern=$1
	shift
	got=$("$@" 2>&1) || { echo "exit $?: $got"; return 1; }
	printf '%s\n' "$got" | grep -Eq -- "$pattern" || { printf 'no line matches %s in:\n%s\n' "$pattern" "$got"; return 1; }
}

# fails STATUS PATTERN COMMAND...: the command exits so, and says so.
fails()
{
	status=$1
	pattern=$2
	shift 2
	got=$("$@" 2>&1)
	r=$?
	[ "$r" -eq "$status" ] || { echo "exit $r, wanted $status: $got"; return 1; }
	printf '%s\n' "$got" | grep -Eq -- "$pattern" || { printf 'no line matches %s in:\n%s\n' "$pattern" "$got"; return 1; }
}

# within SECONDS COMMAND...: the command succeeds, and in that time.
within()
{
	deadline=$1
	shift
	timeout "$deadline" "$@"
	r=$?
	[ "$r" -ne 124 ] || echo "took longer than $deadline s: $*"
	return "$r"
}

# wait_for SECONDS COMMAND...: tries until it succeeds.
wait_for()
{
	tries=$(($1 * 20))
	shift
	until "$@" >"$dir/wait.out" 2>&1; do
		tries=$((tries - 1))
		if [ "$tries" -le 0 ]; then
			echo "still not: $*"
			cat "$dir/wait.out"
			return 1
		fi
		sleep 0.05
	done
}

in_background()
{
	"$@" &
	started="$started $!"
}

# start_daemon CONF NAME: starts phonebookd and waits until it answers for the name; its number is in $daemon.
start_daemon()
{
	"$phonebookd" -c "$1" >>"$log" 2>&1 </dev/null &
	daemon=$!
	started="$started $daemon"
	wait_for 20 answers "$2"
}

answers()
{
	ask +short "$1" A | grep -q '^[0-9]' # what goes wrong dig says on stdout, too, behind ";;"
}

# dig with what every story wants.
ask()
{
	dig @127.0.0.1 -p "$port" +tries=1 +timeout=5 +nocookie "$@"
}

# ends_well SIGNAL: the daemon exits with 0, and within a second if no sanitizer looks for leaks meanwhile.
ends_well()
{
	start=$(date +%s%N)
	kill "-$1" "$daemon"
	wait "$daemon"
	r=$?
	ms=$((($(date +%s%N) - start) / 1000000))
	echo "exit $r after $ms ms"
	[ $r -eq 0 ] && { [ $sanitized != no ] || [ $ms -lt 1000 ]; }
}

# rss_kib PID
rss_kib()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

log_is_clean()
{
	! grep -E -m 1 -A 50 'Sanitizer|runtime error' "$log"
}

# The plan comes last, when all tests have been counted; a story that dies before has none.
plan()
{
	echo "1..$tests"
}

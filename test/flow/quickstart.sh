#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/quickstart.sh BUILD_DIRECTORY -- conf/quickstart.sh in a copy of the tree, as a new user runs it: another
# port, another current directory, a home nobody can write to. Prints TAP.
. "$(dirname "$0")/tap.sh"

port=$($client ports 1)
mkdir "$dir/tree" "$dir/tmp" "$dir/elsewhere"
tar -C "$root" --exclude ./.git --exclude ./build --exclude './build-*' -cf - . | tar -C "$dir/tree" -xf -

run_quickstart()
{
	cd "$dir/elsewhere" || return 1
	HOME=/nonexistent TMPDIR=$dir/tmp sh ../tree/conf/quickstart.sh "$port" >"$dir/said" 2>"$log" </dev/null &
	daemon=$!
	started="$started $daemon"
	cd "$dir" || return 1
	wait_for 200 answers inventory.service.local || { cat "$dir/said" "$log"; return 1; }
}

check 'a wrong port is refused' fails 2 'usage' sh "$dir/tree/conf/quickstart.sh" http
check 'from nothing to an answer' run_quickstart
check 'the script has become the daemon' grep -q phonebookd "/proc/$daemon/comm"
check 'it says what to try' test "$(grep -c "^ *dig @127.0.0.1 -p $port " "$dir/said")" -ge 3

try_commands()
{
	grep '^ *dig ' "$dir/said" >"$dir/commands"
	while read -r command; do
		sh -c "$command" >"$dir/dig" 2>&1 && grep -q 'status: NOERROR' "$dir/dig" &&
			! grep -q 'ANSWER: 0' "$dir/dig" || { echo "$command"; cat "$dir/dig"; return 1; }
	done <"$dir/commands"
}
check 'what it says to try works' try_commands

services=$dir/tree/conf/quickstart.json
address=$(ask +short inventory.service.local A | head -n 1)
sed "s/$address/10.99.0.1/g" "$services" >"$dir/edited"
cat "$dir/edited" >"$services"
# One second is what a busy machine gets; the time is printed.
check 'an edit in place shows' wait_for 1 sh -c "dig @127.0.0.1 -p $port +short inventory.service.local | grep -qx 10.99.0.1"
sed "s/10\.99\.0\.1/10.99.0.2/g" "$dir/edited" >"$services.new"
mv "$services.new" "$services"
check 'a rename shows' wait_for 1 sh -c "dig @127.0.0.1 -p $port +short inventory.service.local | grep -qx 10.99.0.2"

kill -HUP "$daemon"
check 'SIGHUP finds the configuration still there' sh -c "sleep 0.5; kill -0 $daemon && ! grep -q 'quickstart.conf.*No such' $log"
check 'a second one on the same port says so' fails 1 "$port" sh "$dir/tree/conf/quickstart.sh" "$port"

check 'SIGTERM reaches the daemon, exit 0' ends_well TERM
check 'nothing is left in the temporary directory' wait_for 5 rmdir "$dir/tmp"

# A tree that does not build must say why.
mkdir "$dir/tmp"
echo 'int broken' >>"$dir/tree/src/base/text.c"
check 'a build that fails is shown' fails 1 'text\.c' env TMPDIR="$dir/tmp" sh "$dir/tree/conf/quickstart.sh" "$port"
check 'and leaves nothing behind, either' rmdir "$dir/tmp"

plan

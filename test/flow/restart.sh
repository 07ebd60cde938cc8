#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/restart.sh BUILD_DIRECTORY -- phonebookd is killed and started again, its registry gone meanwhile: what was
# known is answered from the disk, whenever it was killed. Prints TAP.
. "$(dirname "$0")/tap.sh"

set -- $($client ports 2)
port=$1
web=$2
Z=service.local
state=$dir/state/http.custom.state

cat >"$dir/phonebook.conf" <<END
listen = { "127.0.0.1:$port" }
user = ""
state-dir = "$dir/state"
http "custom" {
	url = "http://127.0.0.1:$web/services.json"
	interval = 200ms
	jitter = 0
	timeout = 500ms
}
END

mkdir "$dir/web"
body() # ADDRESS
{
	printf '{"inventory": ["%s:80"]}' "$1" >"$dir/web/new"
	mv "$dir/web/new" "$dir/web/services.json"
}

serve()
{
	python3 -m http.server --bind 127.0.0.1 --directory "$dir/web" "$web" >/dev/null 2>&1 &
	registry=$!
	started="$started $registry"
}

# Until what it does is over, and what it had open is closed.
kill_it() # NUMBER
{
	kill -KILL "$1"
	wait "$1" 2>/dev/null
	true
}

is() # ADDRESS
{
	ask +short "inventory.$Z" A | grep -qx "$1"
}

is_stale()
{
	ask "inventory.$Z" A | grep -q 'EDE: 3'
}

has_ttl_1()
{
	ask +noall +answer "inventory.$Z" A | grep -Eq "^inventory.$Z.[[:space:]]+1[[:space:]]"
}

# A hundred changes, and an end in the middle of them.
killed_while_it_writes()
{
	for i in 1 2 3 4 5; do
		serve
		start_daemon "$dir/phonebook.conf" "inventory.$Z" || return 1
		for k in 1 2 3 4 5 6 7 8; do
			body "10.2.$i.$k"
			sleep 0.$((k * i % 9))
		done
		kill_it "$daemon"
		kill_it "$registry"
		start_daemon "$dir/phonebook.conf" "inventory.$Z" || return 1
		ask +short "inventory.$Z" A | grep -Eq '^10\.2\.' || return 1
		kill_it "$daemon"
	done
}

body 10.1.0.1
serve
check 'it starts with a registry' start_daemon "$dir/phonebook.conf" inventory.$Z
check 'what it knows is on the disk soon' wait_for 5 test -s "$state"
kill_it "$daemon"
kill_it "$registry"
check 'killed, and without its registry, it answers' start_daemon "$dir/phonebook.conf" inventory.$Z
check 'what it knew before' is 10.1.0.1
check 'as stale' is_stale
check 'with a TTL of 1' has_ttl_1
body 10.1.0.2
serve
check 'until the registry speaks' wait_for 20 is 10.1.0.2
check 'which is fresh' fails 1 '' is_stale
check 'it ends well' ends_well TERM
kill_it "$registry"
check 'killed again and again while it writes it always has something' killed_while_it_writes
check 'and never a file that is damaged' fails 1 '' grep -q state=refused "$log"

printf 'PHONEBOOK STATE\n and some more' >"$state"
serve
check 'with a damaged file it starts' start_daemon "$dir/phonebook.conf" inventory.$Z
check 'and says so' grep -q 'registry=custom state=refused .*reason="damaged"' "$log"
check 'it ends well again' ends_well TERM
check 'nothing half written is left' fails 2 '' ls "$dir"/state/*.tmp
check 'no sanitizer has complained' log_is_clean
plan

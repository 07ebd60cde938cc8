#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/registry.sh BUILD_DIRECTORY -- an http registry that is a plain web server: changes show after the next
# poll; whatever else it does changes no answer, and is said once. Prints TAP.
. "$(dirname "$0")/tap.sh"

set -- $($client ports 2)
port=$1
web=$2
Z=service.local

cat >"$dir/phonebook.conf" <<END
listen = { "127.0.0.1:$port" }
user = ""
state-dir = ""
http "custom" {
	url = "http://127.0.0.1:$web/services"
	interval = 300ms
	jitter = 0
	timeout = 500ms
}
END

body() # ADDRESS...
{
	python3 -c 'import json, sys
print(json.dumps([{"targets": [f"{a}:80" for a in sys.argv[1:]], "labels": {"service": "inventory"}}]))' "$@" \
		>"$dir/body.new"
	mv "$dir/body.new" "$dir/body"
}

mode()
{
	echo "$1" >"$dir/mode.new"
	mv "$dir/mode.new" "$dir/mode"
}

# A poll comes after 300 ms, and after failures within a few seconds.
shows()
{
	$client wait "$port" 8 inventory.$Z "$@"
}

requests()
{
	wc -l <"$dir/requests"
}

# asked_again N: the registry has been asked N times more.
asked_again()
{
	goal=$(($(requests) + $1))
	wait_for 15 sh -c "[ \$(wc -l <'$dir/requests') -ge $goal ]"
}

still()
{
	$client wait "$port" 0.1 inventory.$Z 10.0.0.1 10.0.0.2
}

# The complaints about the registry in the log so far.
complaints()
{
	grep -E ' (warning|error) .*registry=custom' "$log"
}

# bad MODE WHAT PATTERN: the registry misbehaves for two polls at least; no answer changes, one line says why.
bad()
{
	before=$(complaints | wc -l)
	mode "$1"
	check "$2: it is asked again" asked_again 3 # the first may still have been a good one
	check "$2: no answer changes" still
	check "$2: one line says why" one_more_line "$before" "$3"
	mode good
	check "$2: afterwards all is well" asked_again 3
}

one_more_line()
{
	complaints | tail -n +$(($1 + 1)) >"$dir/new"
	cat "$dir/new"
	[ "$(wc -l <"$dir/new")" -eq 1 ] && grep -Eiq "$2" "$dir/new"
}

# --- it works ---

body 10.0.0.1
mode good
: >"$dir/requests"
in_background $client registry "$web" "$dir" 2>>"$dir/web.log"
registry=$!
check 'it starts and answers from the registry' start_daemon "$dir/phonebook.conf" inventory.$Z
body 10.0.0.1 10.0.0.2
check 'an instance that is added shows' shows 10.0.0.1 10.0.0.2
body 10.0.0.2
check 'an instance that is removed is gone' shows 10.0.0.2
body 10.0.0.1 10.0.0.2
check 'and comes back' shows 10.0.0.1 10.0.0.2
check 'what has not changed is not sent again' wait_for 5 grep -q 304 "$dir/statuses"

# --- it does not ---

bad error '500' '500'
bad html 'HTML' 'json|line 1'
bad cut 'a cut body' '.'
bad large '10 MB' 'large|size|limit'
bad hang 'silence' 'time'
bad moved 'a redirect' '302|redirect|moved'

mode empty-once
check 'nothing, said once: it is asked again' asked_again 3
check 'nothing, said once: no answer changes' still
check 'nothing, said once: the log says that it is held back' output_has 'held' complaints
mode good
check 'nothing, said once: afterwards all is well' asked_again 3

# The port is closed.
before=$(complaints | wc -l)
kill "$registry"
wait "$registry" 2>/dev/null
refused()
{
	wait_for 10 one_more_line "$before" 'connect|refused'
}
check 'stopped: one line says why' refused
sleep 2
check 'stopped: still that one line' refused
check 'stopped: no answer changes' still
check 'stopped: _status shows it' output_has 'failing' ask +short _status.$Z TXT
body 10.0.0.3 10.0.0.4
in_background $client registry "$web" "$dir" 2>>"$dir/web.log"
check 'started again: its news show' $client wait "$port" 20 inventory.$Z 10.0.0.3 10.0.0.4

# --- a loss that is said twice is believed ---

mode empty
gone()
{
	[ -z "$(ask +short inventory.$Z A)" ]
}
check 'nothing, said twice, is believed' wait_for 10 gone

mode hang
check 'a request hangs' asked_again 1
check 'SIGTERM does not wait for it' ends_well TERM
check 'nothing was said but events' log_is_clean

plan

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/etcd_members.sh BUILD_DIRECTORY -- a real etcd of three members, of which some are cut off, frozen or dead.
# Prints TAP.
. "$(dirname "$0")/tap.sh"
. "$root/test/flow/member.sh"

set -- $($client ports 10)
port=$1
shift
# Of each member: for clients, what it listens on for the others, and where those reach it.
client_ports="$1 $2 $3"
listen_ports="$4 $5 $6"
wire_ports="$7 $8 $9"
conf=$dir/phonebook.conf

nth() # NUMBER LIST
{
	echo "$2" | cut -d ' ' -f "$1"
}

# The member that is spoken to from now on.
speak_to() # NUMBER
{
	url=http://127.0.0.1:$(nth "$1" "$client_ports")
}

launch() # NUMBER
{
	launch_member "m$1" "$(nth "$1" "$client_ports")" "$(nth "$1" "$listen_ports")" \
		--initial-advertise-peer-urls "http://127.0.0.1:$(nth "$1" "$wire_ports")" --initial-cluster "$cluster"
}

# healthy NUMBER...: they agree with the others.
healthy()
{
	for one in "$@"; do
		speak_to "$one"
		wait_for 20 call kv/range '{"key":"AA=="}' || return
	done
}

start_cluster()
{
	cluster=
	pairs=
	for i in 1 2 3; do
		cluster=$cluster,m$i=http://127.0.0.1:$(nth $i "$wire_ports")
		pairs="$pairs $(nth $i "$wire_ports"):$(nth $i "$listen_ports")"
	done
	cluster=${cluster#,}
	in_background $client wires "$dir" $pairs
	launch 1
	launch 2
	launch 3
	healthy 1 2 3
}

# The number of the member with a watch goes into $watched, those of the others into $others.
find_watched()
{
	watched=
	others=
	for i in 1 2 3; do
		if curl -sS --max-time 2 "http://127.0.0.1:$(nth $i "$client_ports")/metrics" |
			grep -q '^etcd_debugging_mvcc_watcher_total [1-9]'; then
			watched=$i
		else
			others="$others $i"
		fi
	done
	[ -n "$watched" ] && set -- $others && [ $# -eq 2 ]
}

cut_off() # NUMBER
{
	speak_to "$1"
	id=$(ask_member maintenance/status '{}' | pick member_id)
	echo "$id $(nth "$1" "$wire_ports")" >"$dir/cut.new"
	mv "$dir/cut.new" "$dir/cut"
}

cat >"$conf" <<END
listen = { "127.0.0.1:$port" }
user = ""
state-dir = ""
zone "$Z" { brake = 3s }
etcd "store" {
	url = { "http://127.0.0.1:$(nth 1 "$client_ports")", "http://127.0.0.1:$(nth 2 "$client_ports")",
		"http://127.0.0.1:$(nth 3 "$client_ports")" }
	timeout = 1s
}
END

find_etcd
check 'three members start' start_cluster
put $K/inventory/x1 "$(instance 10.1.0.1)"
check 'phonebookd answers' start_daemon "$conf" inventory.$Z

check 'one of them is watched' wait_for 10 find_watched
cut_off "$watched"
set -- $others
check 'cut off: the others agree' healthy "$@"
put $K/inventory/x2 "$(instance 10.1.0.2)"
check 'cut off: another member is watched' shows inventory.$Z 10.1.0.1 10.1.0.2
check 'cut off: all is well' becomes store 'state=ok'
rm "$dir/cut"
check 'joined again' healthy 1 2 3

check 'one of them is watched' wait_for 10 find_watched
end_member KILL "m$watched"
set -- $others
healthy "$@"
put $K/inventory/x2 "$(instance 10.1.0.3)"
check 'killed: another member is watched' shows inventory.$Z 10.1.0.1 10.1.0.3
check 'killed: all is well' becomes store 'state=ok'
launch "$watched"
check 'it comes back' healthy 1 2 3

# A watch says nothing of a frozen member, so it is frozen before one is opened.
check 'one of them is watched' wait_for 10 find_watched
set -- $others
signal_member STOP "m$1"
end_member KILL "m$watched"
launch "$watched"
healthy "$watched" "$2"
put $K/inventory/x2 "$(instance 10.1.0.4)"
check 'frozen: another member is watched' shows inventory.$Z 10.1.0.1 10.1.0.4
signal_member CONT "m$1"
check 'thawed' healthy 1 2 3

# Two are dead, and the third cannot know what they knew; what it has is better than nothing.
check 'one of them is watched' wait_for 10 find_watched
set -- $others
end_member KILL "m$1"
end_member KILL "m$2"
check 'two are dead: it is said' becomes store 'state=failing'
check 'two are dead: answers stay' has inventory.$Z 10.1.0.1 10.1.0.4
check 'phonebookd ends' ends_well TERM
check 'two are dead: it starts, and the last is read' start_daemon "$conf" inventory.$Z
check 'two are dead: it has all' has inventory.$Z 10.1.0.1 10.1.0.4
check 'two are dead: it is still failing' becomes store 'state=failing'
launch "$1"
healthy "$1" "$watched"
put $K/inventory/x2 "$(instance 10.1.0.5)"
check 'one came back: a change shows' shows inventory.$Z 10.1.0.1 10.1.0.5
check 'one came back: all is well' becomes store 'state=ok'

check 'phonebookd ends' ends_well TERM
check 'nothing was said but events' log_is_clean

plan

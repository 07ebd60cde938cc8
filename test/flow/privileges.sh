#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/privileges.sh BUILD_DIRECTORY -- which rights the running daemon has, whoever started it; and that it
# needs none of them for a reload. What only root can try is left out for others. Prints TAP.
. "$(dirname "$0")/tap.sh"

port=$($client ports 1)
conf=$dir/phonebook.conf
chmod 755 "$dir"

write_conf() # USER TTL MORE
{
	cat >"$conf" <<-END
		listen = { "127.0.0.1:$port" }
		user = "$1"
		state-dir = ""
		$3
		zone "service.local" { ttl = $2s }
		static "fixed" { instance "10.9.9.9:80" { service = "legacy" } }
	END
	chmod 644 "$conf"
}

# status FIELD PATTERN: of every thread.
status()
{
	for one in /proc/"$daemon"/task/*/status; do
		grep -Eq "^$1:[[:space:]]+$2\$" "$one" || { grep "^$1:" "$one"; return 1; }
	done
}

ttl_is()
{
	ask +noall +answer legacy.service.local A | grep -Eq "^legacy\.service\.local\.[[:space:]]+$1[[:space:]]"
}

has_no_rights() # WHO
{
	for set in CapInh CapPrm CapEff CapAmb; do
		check "$1: $set is empty in every thread" status $set '0+'
	done
	check "$1: no new privileges" status NoNewPrivs 1
}

reloads_and_ends() # WHO USER
{
	write_conf "$2" 7 ''
	kill -HUP "$daemon"
	check "$1: a reload needs no rights" wait_for 5 ttl_is 7
	has_no_rights "$1, reloaded"
	check "$1: SIGTERM ends it" ends_well TERM
}

write_conf '' 2 ''
check 'user = "": it answers' start_daemon "$conf" legacy.service.local
check 'user = "": it stays who it was' status Uid "$(id -u)[[:space:]].*"
has_no_rights 'user = ""'
reloads_and_ends 'user = ""' ''
check 'the log tells the size of the buffer' grep -Eq 'event=listen address=127\.0\.0\.1:.* udp-buffer=[1-9]' "$log"

if [ "$(id -u)" -eq 0 ]; then
	nobody=$(id -u nobody)
	write_conf nobody 2 ''
	check 'user = "nobody": it answers' start_daemon "$conf" legacy.service.local
	check 'user = "nobody": that is who it is' status Uid "$nobody[[:space:]]+$nobody[[:space:]]+$nobody[[:space:]]+$nobody"
	check 'user = "nobody": groups too' status Gid "$(id -g nobody)[[:space:]].*"
	check 'user = "nobody": not even programs it could run get rights' status CapBnd '0+'
	has_no_rights 'user = "nobody"'
	reloads_and_ends 'user = "nobody"' nobody
	effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
	[ $((0x$effective >> 12 & 1)) -eq 0 ] || # CAP_NET_ADMIN, which root in a container may not have
		check 'the buffer is what was asked for, as root may' grep -Eq 'event=listen .* udp-buffer=2097152' "$log"

	# As the unit of systemd does it: somebody else, with the one right to use port 53.
	if command -v setpriv >/dev/null; then
		phonebookd_by()
		{
			write_conf phonebook 2 ''
			setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --bounding-set -all,+net_bind_service \
				--inh-caps -all,+net_bind_service --ambient-caps -all,+net_bind_service \
				"$phonebookd" -c "$conf" >>"$log" 2>&1 </dev/null &
			daemon=$!
			started="$started $daemon"
			wait_for 20 answers legacy.service.local
		}
		check 'an ambient right: it answers' phonebookd_by
		has_no_rights 'an ambient right'
		reloads_and_ends 'an ambient right' phonebook
	fi
fi

# Half of the descriptors are kept from TCP clients.
few_descriptors()
{
	write_conf '' 2 'tcp-clients = 1000'
	(ulimit -n 200 && exec "$phonebookd" -c "$conf") >>"$log" 2>&1 </dev/null &
	daemon=$!
	started="$started $daemon"
	wait_for 20 answers legacy.service.local
}
check 'with few descriptors it starts' few_descriptors
check 'and says what that means for TCP clients' grep -q 'event=limits tcp-clients=1000 used=100' "$log"
check 'SIGTERM ends it' ends_well TERM
check 'nothing was said but events' log_is_clean

plan

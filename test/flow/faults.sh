#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/faults.sh BUILD_DIRECTORY [FUNCTION]... -- everything that phonebookd depends on fails, one after the other, while
# somebody asks for known services all the time: no answer is wrong, empty or lost. Prints TAP. With functions of this
# file, only those faults.
#
# test/bench/faults is the same for longer: FAULTS_S seconds for each fault at least (default 0: as long as it takes),
# FAULTS_RATE questions a second (200), FAULTS_STORM packets a second (5,000), FAULTS_KILLS (50).
. "$(dirname "$0")/tap.sh"
. "$root/test/flow/member.sh"
shift
only=$*
within= # a function that starts its own daemon

at_least=${FAULTS_S:-0}
rate=${FAULTS_RATE:-200}
storm_rate=${FAULTS_STORM:-5000}
kills=${FAULTS_KILLS:-50}
steady=$build/test/steady
book=$dir/book
conf=$dir/phonebook.conf

# Ways in which a web server is a bad registry; each has one of its own, and that a service "of-WAY".
bad_ways='hang slow cut garbage html error large moved'
ways="$bad_ways empty"

set -- $($client ports 14)
port=$1
client_port=$2
peer_port=$3
consul_port=$4
other_port=$5
shift 5
web_ports=$*

# --- the registries ---

for way in $ways; do
	eval "web_$way=$1"
	shift
done

web_port() # WAY
{
	eval "echo \$web_$1"
}

write_conf() # [LINE]...
{
	{
		cat <<-END
			listen = { "127.0.0.1:$port" }
			threads = 2
			user = ""
			zone "$Z" { stale-after = 3s }
			etcd "store"  { url = "http://127.0.0.1:$client_port" timeout = 1s }
			etcd "polled" {
				url = "http://127.0.0.1:$client_port" prefix = "/polled/" zone = ""
				watch = false interval = 300ms jitter = 0 timeout = 1s
			}
			consul "dc1"  { url = "http://127.0.0.1:$consul_port" timeout = 1s }
			file "local"  { path = "$dir/services/*.json" interval = 1s }
			static "fixed" { instance "10.9.9.9:80" { service = "legacy" } }
		END
		for way in $ways; do
			echo "http \"$way\" {"
			echo "url = \"http://127.0.0.1:$(web_port "$way")/services\" interval = 300ms jitter = 0 timeout = 500ms }"
		done
		printf '%s\n' "$@"
	} >"$conf.new"
	mv "$conf.new" "$conf"
}

targets() # SERVICE ADDRESS:PORT...
{
	targets_of=$1
	shift
	targets_list=$(printf ',"%s"' "$@")
	printf '[{"targets":[%s],"labels":{"service":"%s"}}]' "${targets_list#,}" "$targets_of"
}

into() # FILE: stdin, as a whole
{
	cat >"$1.new" && mv "$1.new" "$1"
}

start_webs()
{
	for way in $ways; do
		mkdir "$dir/$way"
		targets "of-$way" 10.6.0.1:80 10.6.0.2:80 10.6.0.3:80 10.6.0.4:80 '[fd00:6::1]:80' | into "$dir/$way/body"
		echo good | into "$dir/$way/mode"
		: >"$dir/$way/requests"
		in_background $client registry "$(web_port "$way")" "$dir/$way" 2>>"$dir/web.log"
	done
}

consul() # METHOD PATH [BODY]
{
	curl -sS --fail --max-time 5 -o /dev/null -X "$1" ${3:+-d "$3"} "http://127.0.0.1:$consul_port/_control/$2"
}

consul_instance() # NAME ADDRESS [STATUS]
{
	printf '{"Node":{"Node":"n-%s","Address":"%s"},"Service":{"ID":"%s","Service":"x","Port":80},"Checks":[{"CheckID":"c-%s","Status":"%s"}]}' \
		"$1" "$2" "$1" "$1" "${3:-passing}"
}

start_consul()
{
	"$build/test/fake-registry" consul --port "$consul_port" >"$dir/consul.port" 2>>"$dir/consul.log" &
	consul=$!
	started="$started $consul"
	wait_for 5 grep -q . "$dir/consul.port"
	consul PUT service/stock "[$(consul_instance a 10.5.0.1),$(consul_instance b 10.5.0.2),$(consul_instance c 10.5.0.3)]"
	consul PUT service/carts "[$(consul_instance d 10.5.1.1),$(consul_instance e fd00:5::1)]"
}

fill_etcd()
{
	put $K/orders/x1 "$(instance 10.1.0.1)" && put $K/orders/x2 "$(instance 10.1.0.2)" &&
		put $K/orders/x3 "$(instance fd00:1::3)" && put $K/payments/x1 "$(instance 10.2.0.1)" &&
		put /polled/invoices/x1 "$(instance 10.3.0.1)" && put /polled/invoices/x2 "$(instance 10.3.0.2)"
}

# What must be answered, and after the addresses without + what may be.
write_book()
{
	{
		echo "orders.$Z +10.1.0.1 +10.1.0.2 +fd00:1::3 10.1.0.9"
		echo "payments.$Z +10.2.0.1"
		echo "invoices.$Z +10.3.0.1 +10.3.0.2 10.3.0.9"
		echo "stock.$Z +10.5.0.1 10.5.0.2 10.5.0.3"
		echo "carts.$Z +10.5.1.1 +fd00:5::1"
		echo "parcels.$Z +10.4.0.1 +fd00:4::1 10.4.0.2"
		echo "legacy.$Z +10.9.9.9"
		for way in $ways; do
			echo "of-$way.$Z +10.6.0.1 +10.6.0.2 +10.6.0.3 +10.6.0.4 +fd00:6::1 10.6.0.9"
		done
	} | into "$book"
}

# --- faults, and those who ask meanwhile ---

# during FAULT FUNCTION [OPTION OF STEADY]...: the function lets something fail and mends it.
during()
{
	fault=$1
	happens=$2
	shift 2
	is_wanted "$happens" || return
	"$steady" -r "$rate" "$@" "$port" "$book" >"$dir/steady.out" 2>"$dir/steady.err" &
	asker=$!
	started="$started $asker"
	until_s=$(($(date +%s) + at_least))
	mark
	"$happens"
	now_s=$(date +%s)
	[ "$now_s" -ge "$until_s" ] || sleep $((until_s - now_s))
	kill -TERM "$asker"
	check "$fault: every answer was right" asker_is_content
	echo "# $fault: $(cat "$dir/steady.out")"
}

# The same, and some answers are stale.
during_staleness()
{
	during "$@"
	! is_wanted "$2" || check "$fault: some were stale" grep -q ' stale=[1-9]' "$dir/steady.out"
}

is_wanted()
{
	[ -z "$only" ] || [ -n "$within" ] || printf '%s\n' $only | grep -qx "$1"
}

asker_is_content()
{
	wait "$asker"
	status_of_asker=$?
	cat "$dir/steady.out" "$dir/steady.err"
	return $status_of_asker
}

# Of so many registries: over UDP, because one fault leaves no other way.
status() # REGISTRY
{
	ask +short +ignore +bufsize=4096 _status.$Z TXT | grep "registry=$1 "
}

nothing()
{
	sleep 1
}

# once REGISTRY PATTERN: the log says so, soon; and nothing twice, but each other way in which it fails.
once()
{
	soon_says "$@" || return
	says "$@" | sed 's/^[^ ]* //' | LC_ALL=C sort | uniq -d >"$dir/twice"
	cat "$dir/twice"
	[ ! -s "$dir/twice" ] && [ "$(says "$@" | wc -l)" -le 8 ]
}

all_is_well()
{
	for registry in store polled dc1 $ways; do
		becomes $registry 'state=ok .* held=0 ' || return
	done
}

start_again()
{
	start_member one "$client_port" "$peer_port"
}

etcd_is_killed()
{
	end_member KILL one
	check "$fault: it is said" becomes store 'state=failing'
	check "$fault: the log says it once" once store 'round=failed'
	start_again
	put $K/orders/x9 "$(instance 10.1.0.9)"
	check "$fault: started again, a change shows" has_in_time orders.$Z 10.1.0.9
	delete $K/orders/x9
	check "$fault: all is well again" all_is_well
	check "$fault: the log says it once when it is over" once store 'round=good'
}

etcd_hangs()
{
	signal_member STOP one
	check "$fault: it is said" becomes polled 'state=failing'
	check "$fault: the log says it once" once polled 'round=failed'
	check "$fault: data get stale" becomes polled 'age=([4-9]|1[0-9])\.'
	signal_member CONT one
	put /polled/invoices/x9 "$(instance 10.3.0.9)"
	check "$fault: it goes on, and a change shows" has_in_time invoices.$Z 10.3.0.9
	delete /polled/invoices/x9
	check "$fault: all is well again" all_is_well
	check "$fault: the log says it once when it is over" once polled 'round=good'
}

# has_in_time NAME ADDRESS: among others.
has_in_time()
{
	wait_for 15 output_has "^$2\$" ask +short "$1" A
}

asked_often() # WAY
{
	[ "$(wc -l <"$dir/$1/requests")" -ge 4 ]
}

webs_misbehave()
{
	for way in $bad_ways; do
		: >"$dir/$way/requests"
		echo "$way" | into "$dir/$way/mode"
	done
	for way in $bad_ways; do
		check "$fault: $way: it is asked again and again" wait_for 15 asked_often "$way"
		check "$fault: $way: the log says it once" says_why "$way"
	done
	for way in $bad_ways; do
		targets "of-$way" 10.6.0.1:80 10.6.0.2:80 10.6.0.3:80 10.6.0.4:80 10.6.0.9:80 '[fd00:6::1]:80' |
			into "$dir/$way/body"
		echo good | into "$dir/$way/mode"
	done
	for way in $bad_ways; do
		check "$fault: $way: afterwards a change shows" has_in_time "of-$way.$Z" 10.6.0.9
	done
	check "$fault: all is well again" all_is_well
}

says_why()
{
	case $1 in
	hang | slow) once "$1" 'round=failed .*(time|slow)' ;;
	cut | large | html | garbage | moved) once "$1" 'round=failed' ;;
	error) once "$1" 'round=failed .*500' ;;
	esac
}

# Once: who says it twice is believed. What comes then is a failure, which neither confirms nor denies.
list_is_empty()
{
	echo empty-once | into "$dir/empty/mode"
	check "$fault: the loss is held back" becomes empty 'held=[1-9]'
	check "$fault: the log says it once" once empty 'held'
	echo good | into "$dir/empty/mode"
	check "$fault: nothing is held any more" becomes empty 'state=ok .* held=0 '
}

# Registries that change their mind ten times a second, for some seconds.
registries_flap()
{
	for turn in $(seq 1 20); do
		consul PUT "check?node=n-b&service=b&check=c-b&status=critical"
		consul DELETE service/none
		put $K/orders/x9 "$(instance 10.1.0.9)"
		targets parcels 10.4.0.1:80 10.4.0.2:80 '[fd00:4::1]:80' | into "$dir/services/parcels.json"
		sleep 0.05
		consul PUT "check?node=n-b&service=b&check=c-b&status=passing"
		delete $K/orders/x9
		targets parcels 10.4.0.1:80 '[fd00:4::1]:80' | into "$dir/services/parcels.json"
		sleep 0.05
	done 2>/dev/null
	check "$fault: in the end all is as it is" shows stock.$Z 10.5.0.1 10.5.0.2 10.5.0.3
	check "$fault: in all registries" shows orders.$Z 10.1.0.1 10.1.0.2
	check "$fault: the log is no flood" test "$(says dc1 . | wc -l)" -lt 12
}

registry_is_gone()
{
	consul PUT 'down?ms=6000'
	check "$fault: it is said" becomes dc1 'state=failing'
	check "$fault: the log says it once" once dc1 'round=failed'
	check "$fault: then answers are marked as stale" wait_for 10 output_has 'EDE: 3' ask stock.$Z A
	check "$fault: and live for a second" output_has "^stock.$Z.[[:space:]]1[[:space:]]" ask stock.$Z A
	check "$fault: it is back" becomes dc1 'state=ok'
	check "$fault: the log says it once when it is over" once dc1 'round=good'
}

# As many descriptors as it has now, and no more: no registry can be connected to, no client over TCP be accepted.
no_descriptors()
{
	before=$(prlimit --pid "$daemon" --nofile --noheadings -o SOFT)
	prlimit --pid "$daemon" --nofile=3:
	consul PUT cut
	end_member KILL one
	check "$fault: registries fail" becomes dc1 'state=failing'
	check "$fault: the log says it once" once dc1 'round=failed'
	in_background $client crowd "$port" 100 orders.$Z 1 >/dev/null 2>&1
	spent=$(cpu_ms)
	sleep 1
	check "$fault: it does not spin" test $(($(cpu_ms) - spent)) -lt 500
	prlimit --pid "$daemon" --nofile="$before:"
	start_again
	check "$fault: with descriptors all is well" all_is_well
	check "$fault: and over TCP" output_has 10.1.0.1 ask +tcp +short orders.$Z A
}

cpu_ms()
{
	awk '{ print ($14 + $15) * 10 }' "/proc/$daemon/stat"
}

crowd_of_clients()
{
	memory=$(rss_kib "$daemon")
	check "$fault: a thousand of them" $client crowd "$port" 1000 orders.$Z $((at_least > 3 ? at_least : 3))
	echo "# resident before $memory KiB, after $(rss_kib "$daemon") KiB"
	check "$fault: memory is bounded" test $(($(rss_kib "$daemon") - memory)) -lt 100000
}

packet_storm()
{
	check "$fault: noise" $client storm "$port" "$storm_rate" 1 $((at_least > 2 ? at_least : 2))
	check "$fault: damaged queries" $client mutate "$port" 5000 orders.$Z 3
}

# --- clocks ---

jump() # SECONDS_OF_DAY SECONDS_OF_SLEEP
{
	python3 -c 'import struct, sys
with open(sys.argv[1], "r+b") as f:
    f.write(struct.pack("=qq", *map(int, sys.argv[2:])))' "$dir/jump" "$@"
}

start_jumping_daemon()
{
	head -c 16 /dev/zero >"$dir/jump"
	CLOCK_JUMP=$dir/jump LD_PRELOAD=$build/test/clockjump.so start_daemon "$conf" orders.$Z
}

# As if somebody had set the clock: a day ahead, then a week back.
time_is_set()
{
	jump 86400 0
	check "$fault: ahead: a change shows" change_shows 10.1.0.9
	check "$fault: the daemon lives tomorrow" wait_for 5 log_is_of 86400
	jump -604800 0
	check "$fault: back: a change shows" change_hides
	check "$fault: nothing is stale" nothing_is_stale
	jump 0 0
	check "$fault: right again: a change shows" change_shows 10.1.0.9
	change_hides >/dev/null
	check "$fault: no registry has failed" nobody_failed
}

# As if the host had slept for ten minutes: all that was known is that old.
host_sleeps()
{
	jump 600 600
	check "$fault: a change shows" change_shows 10.1.0.9
	check "$fault: and soon nothing is stale" wait_for 10 nothing_is_stale
	change_hides >/dev/null
}

change_shows()
{
	put $K/orders/x9 "$(instance "$1")" && put /polled/invoices/x9 "$(instance 10.3.0.9)" &&
		has_in_time orders.$Z "$1" && has_in_time invoices.$Z 10.3.0.9
}

change_hides()
{
	delete $K/orders/x9 && delete /polled/invoices/x9 &&
		shows orders.$Z 10.1.0.1 10.1.0.2 && shows invoices.$Z 10.3.0.1 10.3.0.2
}

log_is_of() # SECONDS FROM NOW
{
	tail -1 "$log" | grep -q "^$(date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%d)"
}

nothing_is_stale()
{
	for name in orders invoices stock parcels of-hang; do
		! ask $name.$Z A | grep -q 'EDE: 3' || return 1
	done
}

nobody_failed()
{
	tail -n +$((marked + 1)) "$log" | grep round=failed
	! tail -n +$((marked + 1)) "$log" | grep -q round=failed
}

# --- state on disk ---

# A daemon with a directory of its own, and registries that are all there.
start_with_state() # DIRECTORY [WRAPPER]
{
	write_conf "state-dir = \"$1\""
	phonebookd=${2:-$build/src/phonebookd} start_daemon "$conf" orders.$Z
}

registries_end()
{
	end_member KILL one
	consul PUT 'down?ms=9000'
	for way in $ways; do
		echo hang | into "$dir/$way/mode"
	done
}

registries_return()
{
	start_again
	wait_for 25 consul GET counts
	for way in $ways; do
		echo good | into "$dir/$way/mode"
	done
}

everything_is_kept()
{
	for file in etcd.store etcd.polled consul.dc1; do
		[ -s "$dir/state/$file.state" ] || return
	done
	for way in $ways; do
		[ -s "$dir/state/http.$way.state" ] || return
	done
}

first_answers()
{
	"$steady" -f -s 10 "$port" "$book" >"$dir/first.out" 2>&1
	first_status=$?
	cat "$dir/first.out"
	return $first_status
}

first_answers_are_stale()
{
	first_answers && grep -Eq ' stale=[1-9]' "$dir/first.out"
}

# The host starts, and nothing else is there yet.
start_without_registries()
{
	fault='start without registries'
	check "$fault: with them" start_with_state "$dir/state"
	check "$fault: what they say is kept" wait_for 10 everything_is_kept
	check "$fault: SIGTERM ends it" ends_well TERM
	registries_end
	"$phonebookd" -c "$conf" >>"$log" 2>&1 </dev/null &
	daemon=$!
	started="$started $daemon"
	mark
	check "$fault: the first answers are right, and stale" first_answers_are_stale
	echo "# $fault: $(tail -1 "$dir/first.out")"
	check "$fault: the log says it once" once store 'state=restored'
	during_staleness "$fault" registries_return
	check "$fault: all is well again" all_is_well
	check "$fault: SIGTERM ends it" ends_well TERM
}

# in_mounted DIRECTORY OPTIONS: writes a program that starts phonebookd where that is a file system of its own.
in_mounted()
{
	cat >"$dir/mounted" <<-END
		#!/bin/sh
		for how in '--mount' '--user --map-root-user --mount'; do
			unshare \$how true 2>/dev/null && break
		done
		exec unshare \$how sh -c 'mount -t tmpfs -o $2 none "$1" && exec "$build/src/phonebookd" "\$@"' - "\$@"
	END
	chmod +x "$dir/mounted"
}

# A file of the state is larger than the disk: it is the only one that is not kept.
disk_is_full()
{
	fault='full disk'
	$client many 2000 "$dir/services/many.json"
	mkdir "$dir/full"
	head -c 60000 /dev/urandom >"$dir/noise"
	in_mounted "$dir/full" size=64k
	sed -i "s|none \"$dir/full\" |&\&\& cp $dir/noise $dir/full/ |" "$dir/mounted"
	mark
	check "$fault: it starts" start_with_state "$dir/full" "$dir/mounted"
	check "$fault: the log says it" wait_for 10 log_says_once 'event=state .*error="?No space'
	during "$fault" changes_go_on
	check "$fault: the log said it once" log_says_once 'event=state .*error="?No space'
	check "$fault: SIGTERM ends it" ends_well TERM
	rm "$dir/services/many.json"
}

disk_is_read_only()
{
	fault='read-only disk'
	mkdir "$dir/fixed"
	in_mounted "$dir/fixed" ro
	mark
	check "$fault: it starts" start_with_state "$dir/fixed" "$dir/mounted"
	check "$fault: the log says it" wait_for 10 log_says_once 'event=state .*error=.*[Rr]ead-only'
	during "$fault" changes_go_on
	check "$fault: SIGTERM ends it" ends_well TERM
}

changes_go_on()
{
	check "$fault: a change shows" change_shows 10.1.0.9
	check "$fault: and another" change_hides
	sleep 2
	check "$fault: no registry has failed" nobody_failed
}

log_says_once() # PATTERN
{
	[ "$(tail -n +$((marked + 1)) "$log" | grep -cE "$1")" -eq 1 ]
}

# Other octets somewhere in every file; half of every file; nothing in every file.
state_is_damaged()
{
	for damage in octets half nothing; do
		fault="damaged state: $damage"
		check "$fault: it starts" start_with_state "$dir/state"
		check "$fault: what registries say is kept" wait_for 10 everything_is_kept
		check "$fault: SIGTERM ends it" ends_well TERM
		damage_files $damage
		mark
		"$phonebookd" -c "$conf" >>"$log" 2>&1 </dev/null &
		daemon=$!
		started="$started $daemon"
		check "$fault: the first answers are right" first_answers
		check "$fault: the log says why, once" once store 'state=refused'
		during "$fault" nothing
		check "$fault: SIGTERM ends it" ends_well TERM
	done
}

damage_files() # HOW
{
	python3 -c 'import pathlib, random, sys
for path in pathlib.Path(sys.argv[1]).glob("*.state"):
    octets = bytearray(path.read_bytes())
    for _ in range(8):
        octets[random.randrange(len(octets) // 4)] ^= 1 << random.randrange(8)
    path.write_bytes({"octets": octets, "half": octets[:len(octets) // 2], "nothing": b""}[sys.argv[2]])' \
		"$dir/state" "$1"
}

kills_in_writes()
{
	check 'SIGKILL in writes of the state: never a damaged start' python3 "$root/test/flow/faults_kill.py" "$build" "$kills"
	sed 's/^/# /' "$dir/check.out"
}

# wanted FUNCTION: for those that start their own daemon.
wanted()
{
	is_wanted "$1" || return
	within=$1
	"$1"
	within=
}

# --- the story ---

mkdir "$dir/services"
targets parcels 10.4.0.1:80 '[fd00:4::1]:80' | into "$dir/services/parcels.json"
write_conf 'state-dir = ""'
write_book
start_webs
check 'there is an etcd' find_etcd
check 'it starts' start_member one "$client_port" "$peer_port"
check 'it is filled' fill_etcd
check 'a consul starts' start_consul
check 'phonebookd starts' start_daemon "$conf" orders.$Z
check 'and knows everything' "$steady" -f -s 10 "$port" "$book"

during 'nothing happens' nothing
during 'kill -9 of etcd' etcd_is_killed
during_staleness 'etcd hangs' etcd_hangs
during_staleness 'bad web servers' webs_misbehave
during 'an empty list' list_is_empty
during 'flapping' registries_flap
during_staleness 'a registry is gone' registry_is_gone
during 'out of descriptors' no_descriptors -t 0
during 'clients that do not read' crowd_of_clients
during 'packet storm' packet_storm
check 'SIGTERM ends it' ends_well TERM

check 'with clocks that jump it starts' start_jumping_daemon
check 'and knows everything' "$steady" -f -s 10 "$port" "$book"
during 'the time is set' time_is_set
during_staleness 'the host sleeps' host_sleeps
check 'SIGTERM ends it' ends_well TERM

# Where the daemon keeps no state there is nothing to test about it.
if grep -q 'state=restored' "$phonebookd"; then
	wanted start_without_registries
	wanted disk_is_full
	wanted disk_is_read_only
	wanted state_is_damaged
	wanted kills_in_writes
fi
check 'nothing was said but events' log_is_clean

plan

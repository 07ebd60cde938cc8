#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/etcd.sh BUILD_DIRECTORY -- a real etcd as registry: records as programs write them, and all that happens to
# etcd meanwhile. Prints TAP.
. "$(dirname "$0")/tap.sh"
. "$root/test/flow/member.sh"

set -- $($client ports 4)
port=$1
client_port=$2
peer_port=$3
other_port=$4
conf=$dir/phonebook.conf

# --- records, in several zones ---

cat >"$conf" <<END
listen = { "127.0.0.1:$port" }
user = ""
state-dir = ""
zone "$Z"           { registries = { "store", "polled" } ttl = 20s brake = 3s }
zone "polled.local" { registries = { "polled" } brake = 3s }
zone "shop.local"   { registries = { "shop" } }
zone "naming.local" { registries = { "naming" } }
etcd "store"  { url = "http://127.0.0.1:$client_port" timeout = 1s }
etcd "polled" { url = "http://127.0.0.1:$client_port" watch = false interval = 300ms jitter = 0 timeout = 1s }
etcd "shop"   { url = "http://127.0.0.1:$client_port" prefix = "/shop" zone = "" }
etcd "naming" { url = "http://127.0.0.1:$client_port" prefix = "/registry/" layout = naming }
END

check 'there is an etcd' find_etcd
check 'it starts' start_member one "$client_port" "$peer_port"
put $K/inventory/x1 '{"host":"10.1.0.1","port":8080,"priority":5,"weight":20}'
put $K/inventory/x2 '{"host":"fd00:1::2","port":8081}'
put $K/payments "$(instance 10.2.0.1)"
put /shop/cart/c1 "$(instance 10.3.0.1)"
put /registry/users/10.4.0.1:80 '{"Op":0,"Addr":"10.4.0.1:80"}'
check 'phonebookd starts and answers from it' start_daemon "$conf" inventory.$Z

srv="10 100 8081 fd00-1--2.addr.$Z. 5 20 8080 10-1-0-1.addr.$Z. "
check 'A' equal 10.1.0.1 ask +short inventory.$Z A
check 'AAAA' equal fd00:1::2 ask +short inventory.$Z AAAA
check 'SRV has port, priority, weight' equal "$srv" sorted inventory.$Z SRV
check 'the name of an instance' equal 10.1.0.1 ask +short x1.inventory.$Z A
check 'a service that is one record' equal 10.2.0.1 ask +short payments.$Z A
check 'another prefix is another zone' shows cart.shop.local 10.3.0.1
check 'layout naming' shows users.naming.local 10.4.0.1
check 'what is polled' shows inventory.polled.local 10.1.0.1

put $K/inventory/x3 "$(instance 10.1.0.3)"
check 'a record that is added shows' shows inventory.$Z 10.1.0.1 10.1.0.3
put $K/inventory/x3 "$(instance 10.1.0.4)"
check 'a record that is changed shows' shows inventory.$Z 10.1.0.1 10.1.0.4
check 'and is polled' shows inventory.polled.local 10.1.0.1 10.1.0.4
delete $K/inventory/x3
check 'a record that is deleted is gone' shows inventory.$Z 10.1.0.1
check 'and from what is polled' shows inventory.polled.local 10.1.0.1
put /registry/users/10.4.0.2:80 '{"Addr":"10.4.0.2:80","Metadata":{"weight":3}}'
check 'layout naming: one more' shows users.naming.local 10.4.0.1 10.4.0.2
delete /registry/users/10.4.0.1:80
check 'layout naming: one less' shows users.naming.local 10.4.0.2
put /shop/cart/c2 "$(instance 10.3.0.2)"
check 'another prefix: one more' shows cart.shop.local 10.3.0.1 10.3.0.2

put $K/leased/x1 "$(instance 10.1.1.1)"
put $K/leased/x2 "$(instance 10.1.1.2)" "$(lease 2)"
check 'a record with a lease shows' shows leased.$Z 10.1.1.1 10.1.1.2
check 'and ends with it' shows leased.$Z 10.1.1.1

ttl()
{
	ask +noall +answer "$1" A | awk '{ print $2 }'
}
put $K/brief/x1 '{"host":"10.1.2.1","ttl":7}'
put $K/long/x1 '{"host":"10.1.2.2","ttl":3600}'
check 'a record with a ttl shows' shows long.$Z 10.1.2.2
check 'its ttl is a bound' equal 7 ttl brief.$Z
check 'and nothing else' equal 20 ttl long.$Z

# seen_whole FROM TO [KEY VALUE]...: the change turns the addresses of moving into others, with none in between.
seen_whole()
{
	: >"$dir/turning"
	$client turn "$port" 10 moving.$Z "$1" "$2" >"$dir/turning" &
	watcher=$!
	shift 2
	wait_for 5 grep -q before "$dir/turning" && change "$@" && wait $watcher
}

# Each transaction moves two instances.
there_and_back()
{
	here="$K/moving/x1 $(instance 10.1.3.1) $K/moving/x2 $(instance 10.1.3.2)"
	there="$K/moving/x3 $(instance 10.1.3.3) $K/moving/x4 $(instance 10.1.3.4)"
	change $here && shows moving.$Z 10.1.3.1 10.1.3.2 || return
	for turn in 1 2 3; do
		seen_whole 10.1.3.1,10.1.3.2 10.1.3.3,10.1.3.4 $K/moving/x1 - $K/moving/x2 - $there || return
		seen_whole 10.1.3.3,10.1.3.4 10.1.3.1,10.1.3.2 $here $K/moving/x3 - $K/moving/x4 - || return
	done
}
check 'a transaction is one change' there_and_back

put $K/nasty/broken '{"host":"10.1.4'
put $K/nasty/nowhere '{"port":8080}'
put $K/nasty/port '{"host":"10.1.4.2","port":70000}'
put $K/nasty/list '["10.1.4.3"]'
put $K/nasty/empty ''
put $K/nasty/"$(printf '%070d' 0)"/x1 "$(instance 10.1.4.4)"
put $K/nasty/UPPER "$(instance 10.1.4.5)"
check 'nasty records cost themselves only' shows nasty.$Z 10.1.4.5
check 'upper case is no other name' has upper.nasty.$Z 10.1.4.5
check 'they are counted' becomes store 'state=ok .* dropped=6 '
check 'and in polls' becomes polled 'state=ok .* dropped=6 '

# --- interruptions ---

start_again()
{
	start_member one "$client_port" "$peer_port"
}

ok_again()
{
	becomes store 'state=ok' && becomes polled 'state=ok'
}

end_member TERM one
check 'SIGTERM: it is said' becomes store 'state=failing'
check 'SIGTERM: answers stay' has inventory.$Z 10.1.0.1
start_again
put $K/inventory/x3 "$(instance 10.1.0.5)"
check 'started again: a change shows' shows inventory.$Z 10.1.0.1 10.1.0.5
check 'started again: all is well' ok_again

end_member KILL one
check 'kill -9: it is said' becomes store 'state=failing'
check 'kill -9: answers stay' has inventory.$Z 10.1.0.1 10.1.0.5
start_again
put $K/inventory/x3 "$(instance 10.1.0.6)"
check 'started again: a change shows' shows inventory.$Z 10.1.0.1 10.1.0.6
check 'started again: all is well' ok_again

# While it does not hear of it, what it would have to hear is forgotten.
kill -STOP "$daemon"
end_member TERM one
start_again
delete $K/inventory/x3
put $K/inventory/x4 "$(instance 10.1.0.7)"
compact
kill -CONT "$daemon"
check 'compacted meanwhile: it is right again' shows inventory.$Z 10.1.0.1 10.1.0.7
check 'compacted meanwhile: all is well' ok_again

# The same when it has noticed.
end_member TERM one
check 'away: it is said' becomes store 'state=failing'
start_member one "$other_port" "$peer_port"
delete $K/inventory/x4
put $K/inventory/x5 "$(instance 10.1.0.8)"
compact
end_member TERM one
start_again
check 'away and compacted: it is right again' shows inventory.$Z 10.1.0.1 10.1.0.8
check 'away and compacted: all is well' ok_again

# A process that is there, and does nothing. A watch is silent anyway, a poll is not.
mark
signal_member STOP one
check 'frozen: it is said' becomes polled 'state=failing'
check 'frozen: the age grows' becomes polled 'age=([3-9]|1[0-9])\.'
check 'frozen: answers stay' has inventory.polled.local 10.1.0.1 10.1.0.8
check 'frozen: the log says it once' says_once polled 'round=failed .*timed out'
signal_member CONT one
put $K/inventory/x5 "$(instance 10.1.0.9)"
check 'thawed: a change shows' shows inventory.$Z 10.1.0.1 10.1.0.9
check 'thawed: also in what is polled' shows inventory.polled.local 10.1.0.1 10.1.0.9
check 'thawed: all is well' ok_again
check 'thawed: the log says it once' says_once polled 'round=good'

# --- another history ---

wipe()
{
	end_member KILL one
	rm -rf "$dir/one.etcd"
}

# Nothing, at a revision that is long over; the same name, the same cluster.
wipe
start_again
check 'wiped: the loss is held back' becomes store 'state=ok .* held=[1-9]'
check 'wiped: answers stay' has inventory.$Z 10.1.0.1 10.1.0.9
check 'wiped: and are gone in the end' shows inventory.$Z
check 'wiped: nothing is held any more' becomes store 'state=ok .* held=0 '
put $K/inventory/x1 "$(instance 10.1.0.1)"
check 'wiped: what comes shows' shows inventory.$Z 10.1.0.1

# Where the watch stood there is something else now.
refill()
{
	for i in 1 2 3 4; do
		put $K/other/x$i "$(instance 10.1.5.$i)" || return
	done
}
wipe
start_member one "$other_port" "$peer_port"
check 'wiped and filled: more happened than before' refill
end_member KILL one
start_again
check 'wiped and filled: what is new shows' shows other.$Z 10.1.5.1 10.1.5.2 10.1.5.3 10.1.5.4
check 'wiped and filled: what is not there any more is gone' shows inventory.$Z

check 'SIGTERM does not wait for a watch' ends_well TERM
check 'nothing was said but events' log_is_clean

plan

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/clients.sh BUILD_DIRECTORY -- unmodified programs resolve names through phonebookd, which is the only
# nameserver of their resolv.conf and listens on port 53 of a loopback interface of its own. Prints TAP.
set -u

# In private network and mount namespaces nobody else is disturbed, and port 53 is ours; in a private user
# namespace that needs no rights.
if [ "${INSIDE:-}" != yes ]; then
	export INSIDE=yes
	for how in '--user --map-root-user --net --mount' '--net --mount'; do
		# shellcheck disable=SC2086
		unshare $how true 2>/dev/null && exec unshare $how sh "$0" "$@"
	done
	echo 'Bail out! private namespaces are not allowed here: neither user namespaces nor CAP_SYS_ADMIN'
	exit 1
fi

. "$(dirname "$0")/tap.sh"
port=53
Z=service.local

set_up()
{
	ip link set lo up &&
		for address in 10.1.0.7 10.1.0.8 10.4.0.1; do
			ip address add $address/32 dev lo || return 1
		done
	printf 'nameserver 127.0.0.1\n' >"$dir/resolv.conf"
	printf 'hosts: files dns\n' >"$dir/nsswitch.conf"
	printf '127.0.0.1 localhost\n' >"$dir/hosts"
	mkdir "$dir/empty"
	mount --bind "$dir/resolv.conf" /etc/resolv.conf &&
		mount --bind "$dir/nsswitch.conf" /etc/nsswitch.conf &&
		mount --bind "$dir/hosts" /etc/hosts || return 1
	# The name service cache of the machine, if it runs, knows another world.
	if [ -d /var/run/nscd ]; then
		mount --bind "$dir/empty" /var/run/nscd || return 1
	fi
}

build_lookup()
{
	cc -O -o "$dir/lookup" "$root/test/support/lookup.c" &&
		musl-gcc -static -O -o "$dir/lookup-musl" "$root/test/support/lookup.c"
}

cat >"$dir/phonebook.conf" <<END
listen = { "127.0.0.1:53" }
user = ""
state-dir = ""
zone "$Z" { }
file "local" { path = "$dir/services.json" }
forward "." { upstreams = { "127.0.0.1:5300" } }
END
python3 - >"$dir/services.json" <<'END'
import json
print(json.dumps([
    {"targets": ["10.1.0.7:8080"], "labels": {"service": "inventory", "name": "one"}},
    {"targets": ["10.1.0.8:8080"], "labels": {"service": "inventory", "name": "two"}},
    {"targets": ["10.4.0.1:80", "[fd00:4::1]:80"], "labels": {"service": "both"}},
    {"targets": ["[fd00:6::1]:80"], "labels": {"service": "six"}},
    {"targets": [f"10.2.0.{i}:80" for i in range(1, 201)], "labels": {"service": "crowd"}},
    {"targets": [], "labels": {"service": "idle"}},
]))
END

first_words()
{
	"$@" | awk '{ print $1 }' | LC_ALL=C sort -u | tr '\n' ' '
}

# more_than N COMMAND...: prints more than N different lines.
more_than()
{
	least=$1
	shift
	"$@" >"$dir/lines" || return 1
	echo "$(sort -u "$dir/lines" | wc -l) lines"
	[ "$(sort -u "$dir/lines" | wc -l)" -gt "$least" ]
}

check 'a loopback interface and a resolv.conf of our own' set_up
check 'a program for glibc, and a static one for musl' build_lookup
in_background $client upstream 5300
in_background python3 -m http.server 8080 --directory "$dir/empty" >/dev/null 2>&1
check 'phonebookd answers on port 53' start_daemon "$dir/phonebook.conf" inventory.$Z

both='10.1.0.7 10.1.0.8 '
check 'getent ahosts' equal "$both" first_words within 2 getent ahosts inventory.$Z
check 'getent ahostsv4' equal "$both" first_words within 2 getent ahostsv4 inventory.$Z
check 'getent hosts' equal "$both" first_words within 2 getent hosts inventory.$Z
check 'python' equal "$both" first_words within 2 python3 -c '
import socket
for found in socket.getaddrinfo("inventory.service.local", 8080, type=socket.SOCK_STREAM):
    print(found[4][0])'
check 'curl' within 5 curl -sSf http://inventory.$Z:8080/
check 'curl, again and again' within 5 sh -c "for i in 1 2 3 4 5; do curl -sSf -o /dev/null http://inventory.$Z:8080/ || exit 1; done"
check 'ping' within 5 ping -n -c 1 -W 2 inventory.$Z
check 'glibc' equal "$both" first_words within 2 "$dir/lookup" inventory.$Z
check 'musl' equal "$both" first_words within 2 "$dir/lookup-musl" inventory.$Z
check 'glibc, one instance by its name' equal 10.1.0.8 within 2 "$dir/lookup" two.inventory.$Z
check 'musl, the target of an SRV' equal 10.1.0.7 within 2 "$dir/lookup-musl" 10-1-0-7.addr.$Z
check 'glibc, case' equal "$both" first_words within 2 "$dir/lookup" INVENTORY.Service.Local

check 'glibc, both families' equal '10.4.0.1 fd00:4::1 ' first_words within 2 "$dir/lookup" both.$Z
check 'musl, both families' equal '10.4.0.1 fd00:4::1 ' first_words within 2 "$dir/lookup-musl" both.$Z
check 'glibc, IPv4 where there is IPv4 only' equal "$both" first_words within 2 "$dir/lookup" inventory.$Z 4
check 'musl, IPv4 where there is IPv4 only' equal "$both" first_words within 2 "$dir/lookup-musl" inventory.$Z 4
check 'glibc, IPv6 only' equal 'fd00:6::1 ' first_words within 2 "$dir/lookup" six.$Z
check 'musl, IPv6 only' equal 'fd00:6::1 ' first_words within 2 "$dir/lookup-musl" six.$Z

check 'glibc gets two hundred addresses' more_than 199 within 2 "$dir/lookup" crowd.$Z
check 'musl gets what fits into a datagram' more_than 20 within 2 "$dir/lookup-musl" crowd.$Z

# EAI_NONAME is -2, EAI_NODATA of glibc -5; what matters most is that nobody waits.
check 'glibc learns quickly that a name does not exist' fails 2 '' within 1 "$dir/lookup" nosuch.$Z
check 'musl learns quickly that a name does not exist' fails 2 '' within 1 "$dir/lookup-musl" nosuch.$Z
check 'glibc learns quickly that nobody is there' fails 5 '' within 1 "$dir/lookup" idle.$Z
check 'musl learns quickly that nobody is there' fails 2 '' within 1 "$dir/lookup-musl" idle.$Z
check 'getent fails quickly' fails 2 '' within 1 getent ahosts nosuch.$Z

check 'getent, from address to name' output_has '^10\.1\.0\.7 +one\.inventory\.service\.local' within 2 getent hosts 10.1.0.7
check 'glibc, from address to name' equal one.inventory.$Z within 2 "$dir/lookup" -x 10.1.0.7
check 'musl, from address to name' equal two.inventory.$Z within 2 "$dir/lookup-musl" -x 10.1.0.8

check 'glibc, a name elsewhere' equal 192.0.2.7 within 2 "$dir/lookup" www.example
check 'musl, a name elsewhere' equal 192.0.2.7 within 2 "$dir/lookup-musl" www.example
check 'glibc, no such name elsewhere' fails 2 '' within 1 "$dir/lookup" no.example
check 'musl, no such name elsewhere' fails 2 '' within 1 "$dir/lookup-musl" no.example

# What Kubernetes writes: every suffix is tried first.
printf 'nameserver 127.0.0.1\nsearch shop.svc.cluster.example svc.cluster.example\noptions ndots:5\n' >"$dir/resolv.conf"
check 'glibc behind a search list' equal "$both" first_words within 2 "$dir/lookup" inventory.$Z
check 'musl behind a search list' equal "$both" first_words within 2 "$dir/lookup-musl" inventory.$Z
printf 'nameserver 127.0.0.1\nsearch %s\n' $Z >"$dir/resolv.conf"
check 'glibc with the zone as search list' equal "$both" first_words within 2 "$dir/lookup" inventory
check 'musl with the zone as search list' equal "$both" first_words within 2 "$dir/lookup-musl" inventory
printf 'nameserver 127.0.0.1\noptions edns0 trust-ad single-request use-vc\n' >"$dir/resolv.conf"
check 'glibc over TCP, with EDNS' equal "$both" first_words within 2 "$dir/lookup" inventory.$Z

check 'nothing was said but events' log_is_clean
plan

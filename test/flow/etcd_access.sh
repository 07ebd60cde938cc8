#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/etcd_access.sh BUILD_DIRECTORY -- a real etcd that asks who we are: users and passwords, certificates. Prints
# TAP.
. "$(dirname "$0")/tap.sh"
. "$root/test/flow/member.sh"

set -- $($client ports 4)
port=$1
client_port=$2
peer_port=$3
tls_port=$4
conf=$dir/phonebook.conf

# --- users ---

cat >"$conf" <<END
listen = { "127.0.0.1:$port" }
user = ""
state-dir = ""
zone "$Z" { brake = 3s }
etcd "store" {
	url = "http://127.0.0.1:$client_port"
	user = reader
	password-file = "$dir/password"
	interval = 500ms
	jitter = 0
	timeout = 2s
}
END

start_again()
{
	end_member TERM one
	start_member one "$client_port" "$peer_port"
}

# The role reader, and what it may read.
rights() # grant|revoke
{
	range="\"key\":\"$(octets /skydns/local/service/)\",\"range_end\":\"$(octets /skydns/local/service0)\""
	case $1 in
	grant) call auth/role/grant "{\"name\":\"reader\",\"perm\":{\"permType\":\"READ\",$range}}" ;;
	revoke) call auth/role/revoke "{\"role\":\"reader\",$range}" ;;
	esac
}

users()
{
	call auth/role/add '{"name":"root"}' && call auth/role/add '{"name":"reader"}' && rights grant &&
		call auth/user/add '{"name":"root","password":"r"}' &&
		call auth/user/grant '{"user":"root","role":"root"}' &&
		call auth/user/add '{"name":"reader","password":"open sesame"}' &&
		call auth/user/grant '{"user":"reader","role":"reader"}' &&
		call auth/enable '{}'
}

find_etcd
echo 'open sesame' >"$dir/password"
check 'it starts' start_member one "$client_port" "$peer_port"
put $K/inventory/x1 "$(instance 10.1.0.1)"
check 'without authentication the login is left out' start_daemon "$conf" inventory.$Z
check 'and the log says so' says store 'no authentication'

check 'authentication is switched on' users
log_in root r
put $K/inventory/x2 "$(instance 10.1.0.2)"
check 'an open watch goes on' shows inventory.$Z 10.1.0.1 10.1.0.2
start_again
log_in root r
put $K/inventory/x3 "$(instance 10.1.0.3)"
check 'the next one comes with a login' shows inventory.$Z 10.1.0.1 10.1.0.2 10.1.0.3
check 'all is well' becomes store 'state=ok'
mark
start_again
log_in root r
delete $K/inventory/x3
check 'a token that is worn out is replaced' shows inventory.$Z 10.1.0.1 10.1.0.2

echo 'open barley' >"$dir/password"
start_again
check 'a wrong password is said' soon_says store 'round=failed .*login of reader.*authentication failed'
check 'a wrong password: it is failing' becomes store 'state=failing'
check 'a wrong password: answers stay' has inventory.$Z 10.1.0.1 10.1.0.2
log_in root r
put $K/inventory/x3 "$(instance 10.1.0.4)"
echo 'open sesame' >"$dir/password"
check 'the right one: a change shows' shows inventory.$Z 10.1.0.1 10.1.0.2 10.1.0.4
check 'the right one: all is well' becomes store 'state=ok'

mark
check 'a right is taken away' rights revoke
start_again
check 'no right: it is said' soon_says store 'round=failed .*no right to read .*/skydns/local/service/'
check 'no right: it is failing' becomes store 'state=failing'
check 'no right: answers stay' has inventory.$Z 10.1.0.1 10.1.0.2 10.1.0.4
log_in root r
put $K/inventory/x3 "$(instance 10.1.0.5)"
rights grant
check 'a right is given: a change shows' shows inventory.$Z 10.1.0.1 10.1.0.2 10.1.0.5
check 'a right is given: all is well' becomes store 'state=ok'
check 'no secret is in the log' sh -c "! grep -E 'sesame|barley' '$log'"
check 'the daemon ends' ends_well TERM
end_member KILL one
token=

# --- certificates ---

# certificate NAME: signed by ca. For etcd's gateway it has no CommonName: that would be a user's, for whom gateways may
# not speak.
certificate()
{
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/O=$1" \
		-keyout "$dir/$1.key" -out "$dir/$1.csr" &&
		openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
			-extfile "$dir/extensions" -out "$dir/$1.pem"
}

certificates()
{
	echo 'subjectAltName = IP:127.0.0.1' >"$dir/extensions"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=authority' -days 2 \
		-keyout "$dir/ca.key" -out "$dir/ca.pem" && certificate member && certificate reader
}

cat >"$conf" <<END
listen = { "127.0.0.1:$port" }
user = ""
state-dir = ""
zone "$Z" { registries = { "store", "nobody", "stranger" } }
etcd "store" {
	url = "https://127.0.0.1:$tls_port"
	ca-file = "$dir/ca.pem"
	cert-file = "$dir/reader.pem"
	key-file = "$dir/reader.key"
}
etcd "nobody" {
	url = "https://127.0.0.1:$tls_port"
	ca-file = "$dir/ca.pem"
}
etcd "stranger" {
	url = "https://127.0.0.1:$tls_port"
}
END

start_tls()
{
	scheme=https
	curl_options="--cacert $dir/ca.pem --cert $dir/reader.pem --key $dir/reader.key"
	start_member tls "$tls_port" "$peer_port" --cert-file "$dir/member.pem" \
		--key-file "$dir/member.key" --trusted-ca-file "$dir/ca.pem" --client-cert-auth
}

mark
check 'there are certificates' certificates
check 'TLS: it starts' start_tls
put $K/inventory/x1 "$(instance 10.2.0.1)"
check 'TLS: it answers' start_daemon "$conf" inventory.$Z
put $K/inventory/x2 "$(instance 10.2.0.2)"
check 'TLS: a change shows' shows inventory.$Z 10.2.0.1 10.2.0.2
check 'TLS: all is well' becomes store 'state=ok'
check 'without a certificate: it is failing' becomes nobody 'state=failing'
check 'without a certificate: it is said' soon_says nobody 'round=failed '
check 'without the authority: it is failing' becomes stranger 'state=failing'
check 'without the authority: it is said' soon_says stranger 'round=failed .*certificate'

check 'the daemon ends' ends_well TERM
check 'nothing was said but events' log_is_clean

plan

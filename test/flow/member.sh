# SPDX-License-Identifier: BSD-2-Clause
# test/flow/member.sh -- a real etcd for stories, spoken to with curl. Sourced after tap.sh.
#
# $url is the member spoken to; $token, if set, says who we are. What belongs to a member is $dir/NAME.*.
. "$root/conf/packages.sh"

token=
curl_options=
scheme=http

# An etcd that is installed, or the program out of Debian's package.
find_etcd()
{
	etcd=$(command -v etcd) && return
	etcd=$root/build-test/etcd/usr/bin/etcd
	packages_unpack etcd-server "$root/build-test/etcd"
}

# start_member NAME CLIENT_PORT PEER_PORT [OPTION]...: starts it, and waits until it answers.
start_member()
{
	launch_member "$@"
	wait_for 20 call maintenance/status '{}'
}

# Without waiting: alone, a member of three never answers.
launch_member()
{
	member=$1
	url=$scheme://127.0.0.1:$2
	peer=http://127.0.0.1:$3
	shift 3
	# The cheapest password hashes. Disks of test machines are slow, and never lose power in a test.
	ETCD_UNSUPPORTED_ARCH=$(dpkg --print-architecture 2>/dev/null) "$etcd" --name "$member" \
		--data-dir "$dir/$member.etcd" --listen-client-urls "$url" --advertise-client-urls "$url" \
		--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "$member=$peer" \
		--bcrypt-cost 4 --unsafe-no-fsync "$@" >>"$dir/$member.log" 2>&1 </dev/null &
	echo $! >"$dir/$member.pid"
	started="$started $!"
}

signal_member() # SIGNAL NAME
{
	kill "-$1" "$(cat "$dir/$2.pid")"
}

# end_member SIGNAL NAME: and waits for its end.
end_member()
{
	signal_member "$1" "$2"
	wait "$(cat "$dir/$2.pid")" 2>/dev/null
	true
}

# --- what it is told ---

# ask_member PATH BODY: prints the answer; fails if that is an error.
ask_member()
{
	curl -sS --fail-with-body --max-time 5 $curl_options ${token:+-H "Authorization: $token"} -d "$2" "$url/v3/$1"
}

# The same in silence, unless it is an error.
call()
{
	answer=$(ask_member "$@") || { echo "# $1: $answer"; return 1; }
}

octets() # TEXT
{
	printf '%s' "$1" | base64 -w 0
}

# The value of a member that is a text, out of an answer.
pick() # NAME
{
	sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

put() # KEY VALUE [LEASE]
{
	call kv/put "{\"key\":\"$(octets "$1")\",\"value\":\"$(octets "$2")\",\"lease\":\"${3:-0}\"}"
}

delete() # KEY
{
	call kv/deleterange "{\"key\":\"$(octets "$1")\"}"
}

# The number of a new lease.
lease() # SECONDS
{
	ask_member lease/grant "{\"TTL\":\"$1\"}" | pick ID
}

# change [KEY VALUE]...: all at once; a value "-" deletes.
change()
{
	parts=
	while [ $# -gt 0 ]; do
		key=$(octets "$1")
		case $2 in
		-) parts="$parts,{\"requestDeleteRange\":{\"key\":\"$key\"}}" ;;
		*) parts="$parts,{\"requestPut\":{\"key\":\"$key\",\"value\":\"$(octets "$2")\"}}" ;;
		esac
		shift 2
	done
	call kv/txn "{\"success\":[${parts#,}]}"
}

# Forgets everything before now.
compact()
{
	revision=$(ask_member kv/range '{"key":"AA=="}' | pick revision)
	call kv/compaction "{\"revision\":\"$revision\",\"physical\":true}"
}

log_in() # NAME PASSWORD
{
	token=
	token=$(ask_member auth/authenticate "{\"name\":\"$1\",\"password\":\"$2\"}" | pick token)
	[ -n "$token" ]
}

# --- what comes of it ---

Z=service.local
K=/skydns/local/service # where its names stand

instance() # ADDRESS
{
	echo "{\"host\":\"$1\",\"port\":8080}"
}

# shows NAME [ADDRESS]...: soon. After failures, which let pauses grow, that can take a few seconds.
shows()
{
	name=$1
	shift
	$client wait "$port" 15 "$name" "$@"
}

# has NAME [ADDRESS]...: now.
has()
{
	name=$1
	shift
	$client wait "$port" 0.1 "$name" "$@"
}

sorted()
{
	ask +short "$@" | LC_ALL=C sort | tr '\n' ' '
}

status() # REGISTRY
{
	ask +short _status.$Z TXT | grep "registry=$1 "
}

# becomes REGISTRY PATTERN: soon, in _status.
becomes()
{
	wait_for 15 output_has "$2" status "$1"
}

# What the log has said since.
mark()
{
	marked=$(wc -l <"$log")
}

says() # REGISTRY PATTERN
{
	tail -n +$((marked + 1)) "$log" | grep "registry=$1 " | grep -E "$2"
}

soon_says()
{
	wait_for 15 says "$@"
}

says_once()
{
	says "$@"
	[ "$(says "$@" | wc -l)" -eq 1 ]
}

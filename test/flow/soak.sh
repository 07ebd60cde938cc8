#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/flow/soak.sh BUILD_DIRECTORY -- a while of everything at once: queries, a change every 100 ms, a reload every 5 s,
# a restart of the registry every 30 s. No answer is wrong, empty or lost, and memory stays as it is. Prints TAP.
#
# test/bench/soak is the same for longer: SOAK_S seconds (default 60), SOAK_RATE queries a second (2,000).
. "$(dirname "$0")/tap.sh"
. "$root/test/flow/member.sh"

lasts=${SOAK_S:-60}
rate=${SOAK_RATE:-2000}
conf=$dir/phonebook.conf
book=$dir/book

set -- $($client ports 3)
port=$1
client_port=$2
peer_port=$3

write_conf() # TTL
{
	cat >"$conf.new" <<-END
		listen = { "127.0.0.1:$port" }
		threads = 2
		user = ""
		state-dir = "$dir/state"
		zone "$Z" { ttl = $1s }
		etcd "store" { url = "http://127.0.0.1:$client_port" timeout = 2s }
		file "local" { path = "$dir/services/*.json" interval = 1s }
	END
	mv "$conf.new" "$conf"
}

# The second instance of five services in etcd and of five in files comes and goes.
write_book()
{
	for i in 1 2 3 4 5; do
		echo "stored-$i.$Z +10.1.$i.1 +fd00:1::$i 10.1.$i.2"
		echo "filed-$i.$Z +10.2.$i.1 +fd00:2::$i 10.2.$i.2"
		echo "service-$((i * 190)).$Z +10.$((i * 190 / 256)).$((i * 190 % 256)).1"
	done | sed '/^service/s/\(+10\.[0-9]*\.[0-9]*\)\.1$/\1.1 \1.2 \1.3 \1.4 \1.5/' >"$book"
}

fill_etcd()
{
	for i in 1 2 3 4 5; do
		put $K/stored-$i/x1 "$(instance 10.1.$i.1)" && put $K/stored-$i/x3 "$(instance fd00:1::$i)" || return
	done
}

write_file() # I [MORE]
{
	printf '[{"targets":["10.2.%s.1:80","[fd00:2::%s]:80"%s],"labels":{"service":"filed-%s"}}]' "$1" "$1" "${2:-}" "$1" \
		>"$dir/services.new"
	mv "$dir/services.new" "$dir/services/filed-$1.json"
}

# By turns in a file and in etcd, which may be away just then; until it is ended.
keep_changing()
{
	turn=0
	while sleep 0.09; do
		turn=$((turn + 1))
		i=$((turn / 4 % 5 + 1))
		case $((turn % 4)) in
		0) write_file $i ",\"10.2.$i.2:80\"" ;;
		1) put $K/stored-$i/x2 "$(instance 10.1.$i.2)" & ;;
		2) write_file $i ;;
		3) delete $K/stored-$i/x2 & ;;
		esac
		echo $turn >"$dir/turns"
	done >/dev/null 2>&1
}

restart_etcd()
{
	end_member KILL one
	start_member one "$client_port" "$peer_port"
}

# One line a second: the second, resident KiB.
soak()
{
	begun=$(date +%s)
	reloads=0
	restarts=0
	while passed=$(($(date +%s) - begun)) && [ $passed -lt "$lasts" ]; do
		echo "$passed $(rss_kib "$daemon")" >>"$dir/rss"
		if [ $passed -ge $((reloads * 5 + 5)) ]; then
			reloads=$((reloads + 1))
			write_conf $((reloads % 9 + 1))
			kill -HUP "$daemon"
		fi
		if [ $passed -ge $((restarts * 30 + 15)) ]; then
			restarts=$((restarts + 1))
			restart_etcd || return
		fi
		sleep 1
	done
	echo "# $lasts s, $(cat "$dir/turns") changes, $reloads reloads, $restarts restarts"
}

asker_is_content()
{
	wait "$asker"
	status_of_asker=$?
	cat "$dir/steady.out" "$dir/steady.err"
	return $status_of_asker
}

# The mean of each third of the time, in KiB; ten rows to look at.
judge_memory()
{
	awk -v lasts="$lasts" '
		{ third = int($1 * 3 / lasts); sum[third] += $2; n[third]++ }
		{ row = int($1 * 10 / lasts); if (!(row in seen)) { seen[row] = 1; printf "# after %4d s  %7d KiB\n", $1, $2 } }
		END {
			for (i = 0; i < 3; i++)
				mean[i] = sum[i] / n[i]
			printf "# thirds %d %d %d KiB\n", mean[0], mean[1], mean[2]
			exit !(mean[2] <= mean[1] * 1.02)
		}' "$dir/rss" >"$dir/memory"
}

# --- the story ---

mkdir "$dir/services" "$dir/state"
$client many 1000 "$dir/services/many.json"
for i in 1 2 3 4 5; do
	write_file $i
done
write_conf 2
write_book
check 'there is an etcd' find_etcd
check 'it starts' start_member one "$client_port" "$peer_port"
check 'it is filled' fill_etcd
check 'phonebookd starts' start_daemon "$conf" stored-1.$Z
check 'and knows everything' "$build/test/steady" -f -s 10 "$port" "$book"

"$build/test/steady" -r "$rate" -n 64 "$port" "$book" >"$dir/steady.out" 2>"$dir/steady.err" &
asker=$!
started="$started $asker"
keep_changing &
changer=$!
started="$started $changer"
soak
kill -KILL $changer
kill -TERM "$asker"
check 'every answer was right' asker_is_content
echo "# $(cat "$dir/steady.out")"
check 'every reload was taken' test "$(grep -c 'event=reload result=taken' "$log")" -eq $reloads
check 'memory is flat' judge_memory
cat "$dir/memory"
check 'SIGTERM ends it' ends_well TERM
check 'nothing was said but events' log_is_clean

plan

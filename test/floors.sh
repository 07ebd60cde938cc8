#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test/floors.sh -- reads the #include lines of src/ and include/ and fails on an arrow that points up or across,
# and on a library outside its home (docs/architecture.md).
#
#   sh test/floors.sh [TREE]            default: the tree this script is in
#   sh test/floors.sh --self-test       plants one offence of each kind in a copy; each must be found
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)

check_tree()
{
	cd "$1"
	find src include -name '*.[ch]' | LC_ALL=C sort | xargs awk '
	BEGIN {
		# A floor may include its own folder and every lower one.
		floor["base"] = 0; floor["wire"] = 1; floor["model"] = 2
		floor["zone"] = floor["registry"] = 3
		floor["server"] = floor["forward"] = floor["feed"] = 4
		floor["admin"] = 5
		floor["config"] = floor["ctl"] = floor["top"] = 6
		across["server forward"] = 1   # the serving plane is two folders: queries are handed over
		across["top config"] = 1       # main reads it

		# Where a library may be included from, as regular expressions over the path.
		home["event2/"] = "^src/((server|forward|feed|admin)/.*|main)[.]c$"
		home["ares.h"] = "^src/(forward/upstream|feed/channel)[.]c$"
		home["curl/"] = "^src/feed/fetch_[^/]*[.]c$"
		home["jansson.h"] = "^src/registry/json[.]c$"
		home["confuse.h"] = "^src/config/parse[.]c$"
		home["ldns/"] = "^src/wire/rdata[.]c$"
		home["microhttpd.h"] = "^src/admin/.*[.]c$"
		home["xxhash.h"] = "^src/(model/.*|config/registries)[.]c$"
		home["stdatomic.h"] = "^(src|include)/model/.*[.][ch]$"
		home["pthread.h"] = "^src/(feed/(feeder|state_writer)|server/worker|main)[.]c$"
		home["check.h"] = "^$"         # tests only
	}

	function offend(what)
	{
		printf "%s:%d: %s\n", FILENAME, FNR, what
		offences++
	}

	# The floor of a path below src/ or include/: its folder, or "top" for main and the like.
	function floor_of(path)
	{
		return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "top"
	}

	function check_ours(name,    from, to)
	{
		path = FILENAME
		sub(/^(src|include)\//, "", path)
		from = floor_of(path)
		to = name == "version.h" ? "base" : floor_of(name)  # generated, a constant
		if (!(from in floor) || !(to in floor))
			offend("\"" name "\" is on no floor we know")
		else if (floor[to] > floor[from])
			offend(from " includes \"" name "\": up")
		else if (floor[to] == floor[from] && to != from && !((from " " to) in across))
			offend(from " includes \"" name "\": across")
	}

	function check_library(name,    lib)
	{
		for (lib in home) {
			if (index(name, lib) != 1 || FILENAME ~ home[lib])
				continue
			if (FILENAME ~ /^include\//)
				offend("<" name "> in a header of ours")
			else
				offend("<" name "> outside its home")
		}
	}

	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, part, "\"")
		check_ours(part[2])
		checks++
	}

	/^[ \t]*#[ \t]*include[ \t]*</ {
		split($0, part, /[<>]/)
		check_library(part[2])
		checks++
	}

	END {
		printf "%d includes checked, %d offences\n", checks, offences
		exit checks == 0 || offences > 0
	}'
}

# Adds one line to a file of the copy and expects exactly that line to be named.
expect_offence()
{
	file=$1
	line=$2
	rm -rf "$copy/tree"
	mkdir "$copy/tree"
	cp -R "$here/src" "$here/include" "$copy/tree/"
	mkdir -p "$copy/tree/$(dirname "$file")"
	printf '%s\n' "$line" >>"$copy/tree/$file"
	at="$file:$(wc -l <"$copy/tree/$file"): "
	if (check_tree "$copy/tree") >"$copy/said" 2>&1 || ! grep -qF "$at" "$copy/said"; then
		echo "planted and not found: $file: $line"
		missed=$((missed + 1))
	fi
	planted=$((planted + 1))
}

self_test()
{
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	planted=0
	missed=0

	expect_offence src/base/planted.c '#include "wire/name.h"'
	expect_offence src/wire/planted.c '#include "model/table.h"'
	expect_offence include/model/planted.h '#include "zone/options.h"'
	expect_offence src/zone/planted.c '#include "registry/registry.h"'
	expect_offence src/registry/planted.c '#include "zone/answer.h"'
	expect_offence src/feed/planted.c '#include "server/options.h"'
	expect_offence src/feed/planted.c '#include "forward/forward.h"'
	expect_offence src/server/planted.c '#include "feed/feeder.h"'
	expect_offence src/forward/planted.c '#include "server/options.h"'
	expect_offence src/server/planted.c '  #  include "config/config.h"'
	expect_offence src/model/planted.c '#include "elsewhere/thing.h"'
	expect_offence src/wire/planted.c '#include <event2/event.h>'
	expect_offence src/server/planted.c '#include <ares.h>'
	expect_offence src/feed/resolve.c '#include <ares.h>'
	expect_offence include/feed/planted.h '#include <ares.h>'
	expect_offence src/feed/planted.c '#include <curl/curl.h>'
	expect_offence src/registry/planted.c '#include <jansson.h>'
	expect_offence src/feed/planted.c '#include <confuse.h>'
	expect_offence src/wire/name.c '#include <ldns/ldns.h>'
	expect_offence src/server/planted.c '#include <microhttpd.h>'
	expect_offence src/zone/planted.c '#include <xxhash.h>'
	expect_offence src/feed/planted.c '#include <stdatomic.h>'
	expect_offence src/server/planted.c '#include <pthread.h>'
	expect_offence src/base/planted.c '#include <check.h>'
	expect_offence include/server/planted.h '#include <event2/event.h>'
	expect_offence include/feed/planted.h '#include <curl/curl.h>'
	expect_offence include/feed/planted.h '#include <stdatomic.h>'
	expect_offence include/server/planted.h '#include <pthread.h>'

	echo "$planted offences planted, $missed missed"
	[ "$missed" -eq 0 ]
}

case ${1:-} in
--self-test) self_test ;;
*) check_tree "${1:-$here}" ;;
esac

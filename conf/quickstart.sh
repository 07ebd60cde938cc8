#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# conf/quickstart.sh -- from a fresh Debian 12 to an answering daemon: installs what is missing, builds, and runs
# phonebookd in the foreground on 127.0.0.1.
#
#   sh conf/quickstart.sh [PORT]        default: 5353
set -eu

port=${1:-5353}
case $port in
'' | 0* | *[!0-9]* | ??????*)
	echo "usage: sh conf/quickstart.sh [PORT]" >&2
	exit 2
	;;
esac

cd "$(dirname "$0")/.."
. conf/packages.sh
packages_install $packages_to_build $packages_to_try

# A compiler cache, where there is one, wants to write at home; the build must not depend on that.
[ -w "${HOME:-/nonexistent}" ] || export CCACHE_DISABLE=1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run_quietly()
{
	"$@" >"$scratch/log" 2>&1 </dev/null || {
		cat "$scratch/log" >&2
		echo "failed: $*" >&2
		exit 1
	}
}

echo "building into $PWD/build-quickstart"
[ -f build-quickstart/build.ninja ] || run_quietly meson setup build-quickstart -Dtests=disabled
run_quietly ninja --quiet -C build-quickstart src/phonebookd

# Said here, because after exec only the daemon speaks. meson is Python: the interpreter is there.
python3 - "$port" <<'END' || exit 1
import socket, sys
port = int(sys.argv[1])
for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
    with socket.socket(socket.AF_INET, kind) as s:
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as e:
            sys.exit(f"cannot use 127.0.0.1:{port} ({e}); give another port: sh conf/quickstart.sh 5454")
END

conf=conf/quickstart.conf
if [ "$port" != 5353 ]; then
	conf=$scratch/quickstart.conf
	sed "s/:5353\"/:$port\"/g" conf/quickstart.conf >"$conf"
fi

cat <<END
phonebookd on 127.0.0.1:$port with conf/quickstart.conf; Ctrl-C stops it. In a second terminal try:

    dig @127.0.0.1 -p $port inventory.service.local
    dig @127.0.0.1 -p $port _inventory._tcp.service.local SRV
    dig @127.0.0.1 -p $port -x 10.1.0.7

Then edit conf/quickstart.json and ask again.

END

# exec keeps the process number, so that every signal meant for this script reaches the daemon; the copy of the
# configuration must outlive this shell all the same, because SIGHUP reads it again. So somebody waits for the
# process of this number to end. He ignores the signals a terminal sends to everybody in it.
(
	trap '' HUP INT QUIT TERM
	tail --pid=$$ -f /dev/null
	rm -rf "$scratch"
) >/dev/null 2>&1 </dev/null &
trap - EXIT
exec build-quickstart/src/phonebookd -c "$conf"

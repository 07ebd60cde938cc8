# SPDX-License-Identifier: BSD-2-Clause
# conf/packages.sh -- the one place that knows what Phonebook needs from Debian 12. Sourced by conf/quickstart.sh
# and test/run.sh.

# "a|b" is there when either is, and is installed as a: whoever develops against the GnuTLS flavour of libcurl
# keeps it.
packages_to_build='gcc libc6-dev meson ninja-build pkg-config|pkgconf libc-ares-dev libldns-dev libevent-dev
	libcurl4-openssl-dev|libcurl4-gnutls-dev|libcurl4-nss-dev libjansson-dev libconfuse-dev libxxhash-dev'
packages_to_try='bind9-dnsutils|dnsutils'
packages_to_test='check clang libclang-rt-14-dev llvm clang-format musl-tools libssl-dev zlib1g-dev dnsperf curl
	iproute2 iputils-ping openssl python3'

package_is_installed()
{
	dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# True when one of "a|b|c" is installed.
package_is_there()
{
	for package_name in $(printf '%s' "$1" | tr '|' ' '); do
		package_is_installed "$package_name" && return 0
	done
	return 1
}

# Installs those of the given packages that are missing, and says so; asks nothing, prints apt's words only
# when it fails. Uses sudo only when something is missing and we are not root.
packages_install()
{
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "this is no Debian: install the counterparts of these packages, then use meson and ninja:" >&2
		echo "$*" >&2
		return 1
	fi

	packages_missing=
	for package_wanted in "$@"; do
		package_is_there "$package_wanted" || packages_missing="$packages_missing ${package_wanted%%|*}"
	done
	[ -n "$packages_missing" ] || return 0

	packages_as_root=
	if [ "$(id -u)" -ne 0 ]; then
		packages_as_root=sudo
		if ! command -v sudo >/dev/null; then
			echo "packages are missing and there is no sudo; run this as root:" >&2
			echo "apt-get install$packages_missing" >&2
			return 1
		fi
	fi

	echo "installing$packages_missing"
	packages_log=$(mktemp) || return 1
	# The lists may be absent (a fresh container) or old (a mirror that moved on): only then are they fetched.
	if packages_get || { packages_update && packages_get; } >>"$packages_log" 2>&1; then
		rm -f "$packages_log"
		return 0
	fi
	cat "$packages_log" >&2
	rm -f "$packages_log"
	echo "could not install$packages_missing" >&2
	return 1
}

packages_get()
{
	# --no-remove: rather fail than take something away from this machine.
	packages_apt install -y --no-install-recommends --no-remove $packages_missing >>"$packages_log" 2>&1
}

# Other than to install, to update does not wait for another apt.
packages_update()
{
	for packages_try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		packages_said=$(packages_apt update 2>&1) && return
		printf '%s\n' "$packages_said"
		case $packages_said in
		*'Could not get lock'*) sleep 10 ;;
		*) return 1 ;;
		esac
	done
	return 1
}

packages_apt()
{
	# Another apt may be at work on a machine that has just started.
	$packages_as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# packages_unpack PACKAGE DIR: the files of a package below DIR. Nothing is installed, and no daemon started, as
# Debian does with daemons that it installs; needs no root. Fine if DIR is there already: it is whole then.
packages_unpack()
{
	[ ! -d "$2" ] || return 0
	if ! command -v dpkg-deb >/dev/null || ! command -v apt-get >/dev/null; then
		echo "this is no Debian: install the counterpart of $1" >&2
		return 1
	fi

	mkdir -p "$(dirname "$2")" && packages_room=$(mktemp -d "$2.XXXXXX") || return 1
	if { (packages_fetch "$1") && mv "$packages_room/files" "$2"; } </dev/null >"$packages_room/log" 2>&1; then
		rm -rf "$packages_room"
		return 0
	fi
	cat "$packages_room/log" >&2
	rm -rf "$packages_room"
	echo "could not fetch and unpack $1; where it is installed that is not needed" >&2
	return 1
}

# With lists of our own if those of this machine are absent or old: to renew them is root's business.
packages_fetch()
{
	cd "$packages_room" && mkdir -p lists/partial cache/archives/partial || return 1
	packages_own="-o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache"
	packages_download "$1" ||
		{ apt-get -qq $packages_own update && packages_download $packages_own "$1"; } || return 1
	dpkg-deb -x "$1"_*.deb files
}

packages_download()
{
	# As root it would become a user for whom this directory is closed, and complain.
	apt-get -qq -o APT::Sandbox::User= download "$@"
}

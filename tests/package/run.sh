#!/bin/bash
# tests/package/run.sh FOLDER: builds the Debian package in this configured
# build folder and installs it in a Debian of its own (debootstrap), where
# story.sh tries it.  Prints a line for each test, "ok ..." or "not ok ...", and
# "skip ..." where there can be none.  Needs root and the package archive.
set -u
here=$(dirname "$(realpath "$0")")
build=$(realpath "$1") || exit 1
work=$build/package
root=$work/root

. "$here/tell.sh"

skip()
{
	echo "skip $*"
	exit 0
}

# A folder of mounts and processes of its own: all of it ends with the command.
apart()
{
	unshare --mount --pid --fork --kill-child "$@"
}

# in_root COMMAND...: in the new Debian, with the network.
in_root()
{
	apart sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' \
		"$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}

build_package()
{
	DEB_BUILD_OPTIONS='nocheck parallel=2' make -s -C "$build" deb
}

# Where apt gets this machine's packages from.
archive()
{
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		"Codename: $1" 'Component: main' | head -n 1
}

make_root()
{
	local suite from

	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	from=$(archive "$suite")
	[ -n "$from" ] || { apt-get -q update && from=$(archive "$suite"); }
	apart debootstrap --variant=minbase "$suite" "$root" "$from" || return
	# Proxies and the like, which this machine needs and that one, too.
	apt-config dump | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/90acquire"
	# Nothing is started but by story.sh.
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/quick"
	in_root apt-get -q update &&
		in_root apt-get -q install -y --no-install-recommends \
			apache2 curl iproute2 lighttpd spawn-fcgi sqlite3
}

root_is_made()
{
	wait $maker || { cat "$work/root.log"; false; }
}

# The same files under a higher version.
make_next()
{
	dpkg-deb -R "$1" "$work/next" &&
		sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control" &&
		dpkg-deb -b "$work/next" "$root/root/cometlog-next.deb"
}

[ "$(id -u)" = 0 ] || skip "the Debian package: only root can install it"
apart true 2>/dev/null ||
	skip "the Debian package: mounts and processes of its own are not allowed"
rm -rf "$work"
mkdir -p "$work"
make_root >"$work/root.log" 2>&1 &
maker=$!
must "make deb builds the package" build_package
check "lintian finds nothing in it" \
	lintian --allow-root --fail-on error,warning "$build"/deb/*.changes
must "a Debian to install it in" root_is_made
cp "$build"/deb/cometlog_*.deb "$root/root/cometlog.deb"
must "a package with a higher version" make_next "$build"/deb/cometlog_*.deb
must "apt-get install ./cometlog.deb" \
	in_root sh -c 'cd && apt-get -q install -y ./cometlog.deb'
cp "$here/tell.sh" "$here/story.sh" "$root/root/"
apart --net sh -c 'mount -t proc proc "$0/proc" &&
	exec chroot "$0" bash /root/story.sh' "$root"
status=$?
rm -rf "$work"
exit $status

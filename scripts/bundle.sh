#!/bin/sh
# Makes the folder for shared hosting, and of it one file to give away:
#
#	scripts/bundle.sh SOURCES PROGRAM NAME FILE...
#
# SOURCES: the top folder of the sources.  PROGRAM: cometlog.fcgi, linked
# statically.  NAME: the file is NAME-linux-MACHINE.tar.gz, here.  FILE...: the
# pages and what belongs to them, named from SOURCES.  For `make bundle`.
#
# The same sources and tools give the same bytes.
set -eu
umask 022
export LC_ALL=C

sources=$1
program=$2
name=$3-linux-$(uname -m)
shift 3

most_kib=4096
stage=bundle.tmp
folder=$stage/cometlog

# What the libraries ask for that are part of the program.
libraries='libc6-dev libfcgi-dev libuv1-dev libsqlite3-dev zlib1g-dev'

fail()
{
	echo "bundle.sh: $*" >&2
	exit 1
}

# The newest change of the sources, or of the files when they are no checkout.
date_of_sources()
{
	git -C "$sources" log -1 --format=%ct 2>/dev/null ||
		stat -c %Y "$sources/configure.ac"
}

# The program stands beside the pages, and is called by its name.
add_page()
{
	case $1 in
	*.html)
		sed 's,\([">]\)comet\(["/<]\),\1cometlog.fcgi\2,g' \
			"$sources/$1" >"$folder/${1##*/}" ;;
	*)
		cp "$sources/$1" "$folder/" ;;
	esac
}

add_licenses()
{
	local library text

	cat "$sources/LICENSE"
	for library in $libraries; do
		text=/usr/share/doc/$library/copyright
		[ -e "$text" ] || continue
		printf '\n\n======== cometlog.fcgi contains parts of %s:\n\n' \
			"$library"
		cat "$text"
	done
}

! readelf -d "$program" | grep -q NEEDED || fail "$program is not static"
rm -rf "$stage"
mkdir -p "$folder/data" "$folder/scripts"
strip -o "$folder/cometlog.fcgi" "$program"
cp "$sources/bundle/htaccess" "$folder/.htaccess"
cp "$sources/bundle/data.htaccess" "$folder/data/.htaccess"
cp "$sources/bundle/defaults.conf" "$sources/bundle/README.txt" "$folder/"
cp "$sources/scripts/board-feed.sh" "$folder/scripts/"
add_licenses >"$folder/LICENSE.txt"
for file; do
	add_page "$file"
done
find "$folder" -type f -exec chmod 644 {} +
chmod 755 "$folder/cometlog.fcgi" "$folder/scripts/board-feed.sh"
chmod 700 "$folder/data"

tar -C "$stage" --sort=name --format=ustar --owner=0 --group=0 \
	--numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$(date_of_sources)}" \
	-cf - cometlog | gzip -9n >"$stage/file"
kib=$(($(stat -c %s "$stage/file") / 1024))
[ $kib -lt $most_kib ] || fail "$name.tar.gz has $kib KiB, more than $most_kib"
mv "$stage/file" "$name.tar.gz"
rm -rf "$stage"
echo "$name.tar.gz: $kib KiB"

# What ./demo and ./check share; read by bash with "." from the top folder.
# Nothing here writes to standard output.

top=$(pwd -P)

# Each line: the sets that need it, Debian's package, and what shows that it is
# there: a command; ending in .h, a header file; with a slash first, a file.
packages='
build        build-essential  cc
build        build-essential  make
build        build-essential  stdlib.h
build        autoconf         autoconf
build        automake         automake
build        pkg-config       pkg-config
build        libfcgi-dev      fcgiapp.h
build        libuv1-dev       uv.h
build        libsqlite3-dev   sqlite3.h
build        libwslay-dev     wslay/wslay.h
build        zlib1g-dev       zlib.h
build        libssl-dev       openssl/evp.h
build        libcurl4-openssl-dev  curl/curl.h
lighttpd,check  lighttpd      lighttpd
apache,check apache2-bin      apache2
fcgid,check  libapache2-mod-fcgid  /usr/lib/apache2/modules/mod_fcgid.so
nginx,check  nginx            nginx
demo,check   sqlite3          sqlite3
demo,check   curl             curl
check        dpkg-dev         dpkg-buildpackage
check        debhelper        dh
check        lintian          lintian
check        debootstrap      debootstrap
check        libcunit1-dev    CUnit/CUnit.h
check        spawn-fcgi       spawn-fcgi
check        nodejs           node
check        npm              npm
check        ca-certificates  update-ca-certificates
check        chromium         chromium
check        php-cgi          php-cgi
check        php-cli          php
check        php-sqlite3      /etc/php/*/mods-available/pdo_sqlite.ini
fuzz         clang            clang
'

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "$@"
	exit 1
}

# is_there WHAT: the last column of the table above.
is_there()
{
	local folder

	case $1 in
	*.h)
		for folder in /usr/include /usr/local/include \
			/usr/include/*-linux-gnu; do
			[ -e "$folder/$1" ] && return 0
		done
		return 1 ;;
	/*)
		compgen -G "$1" >/dev/null ;;
	*)
		PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
	esac
}

# missing_packages SET...: prints the packages of these sets that are missing.
missing_packages()
{
	local sets package what set

	while read -r sets package what; do
		for set; do
			[[ ,$sets, == *",$set,"* ]] || continue
			is_there "$what" || echo "$package"
		done
	done <<<"$packages" | sort -u | tr '\n' ' '
}

# need_packages SET...: installs what is missing, or says what to type.
need_packages()
{
	local missing

	missing=$(missing_packages "$@")
	missing=${missing% }
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null ||
		die "please install (names are Debian's): $missing"
	[ "$(id -u)" = 0 ] || die "packages are missing; as root:" \
		"apt-get update && apt-get install -y $missing"
	say "installing $missing"
	# Without apt-get update first: a fresh machine has no lists, others do.
	apt_install $missing || { apt-get -q update >&2 && apt_install $missing; } ||
		die "apt-get install failed: $missing"
}

apt_install()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
		--no-install-recommends "$@" >&2 </dev/null
}

# build_tree FOLDER [CONFIGURE-ARGUMENT...]: configures (again, when the
# arguments have changed) and makes all.  Quick when nothing has changed.
build_tree()
{
	local folder=$1
	shift

	mkdir -p "$folder" || return
	(
		exec 9>>"$top/build/bootstrap.lock"
		flock 9
		if [ ! -e "$top/configure" ] || [ ! -e "$top/Makefile.in" ]; then
			(cd "$top" && ./autogen.sh) || exit
		fi
	) || return
	cd "$folder" || return
	if [ ! -e Makefile ] || [ "$*" != "$(cat configured-with)" ]; then
		"$(realpath --relative-to=. "$top")/configure" -q "$@" &&
			echo "$*" >configured-with || { cd "$top"; return 1; }
	fi
	make -s -j2 all
	set -- $?
	cd "$top" || return
	return "$1"
}

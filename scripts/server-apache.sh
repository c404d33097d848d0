# Apache in its forms; see server-lighttpd.sh.
#
#	apache            mod_proxy_fcgi before the demo's worker
#	apache-fcgid      mod_fcgid starts the program: apache/fcgid.conf
#	apache-htaccess   the same by a folder with apache/htaccess-fcgid
#	apache-cgi        plain CGI, by a folder with apache/htaccess-cgi

web_name=Apache
web_program=apache2
web_sets=apache
has_worker=

modules=/usr/lib/apache2/modules
folder=                         # below www, with the program and a .htaccess

case $server in
apache)
	has_worker=yes ;;
apache-fcgid)
	web_sets="apache fcgid" ;;
apache-htaccess)
	web_sets="apache fcgid"
	folder=$state/www/comet
	htaccess=htaccess-fcgid ;;
apache-cgi)
	folder=$state/www/comet
	htaccess=htaccess-cgi ;;
esac

# What the configurations here allow at a time, and what of it may not be held.
if [ -n "$has_worker" ]; then
	export COMETLOG_SITE_REQUESTS=${COMETLOG_SITE_REQUESTS-4096}
	export COMETLOG_SITE_RESERVE=${COMETLOG_SITE_RESERVE-256}
else
	export COMETLOG_SITE_REQUESTS=${COMETLOG_SITE_REQUESTS-100}
	export COMETLOG_SITE_RESERVE=${COMETLOG_SITE_RESERVE-20}
fi

# quoted VALUE: as Apache's configuration has it.
quoted()
{
	local value=${1//\\/\\\\}

	printf '"%s"' "${value//\"/\\\"}"
}

load_modules()
{
	local name

	for name; do
		echo "LoadModule ${name}_module $modules/mod_$name.so"
	done
}

# program_environment DIRECTIVE: the demo's settings, and where a sanitizer
# shall report to, for processes that Apache starts.
program_environment()
{
	local name

	for name in "${!COMETLOG_@}" ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS; do
		[ -z "${!name+x}" ] ||
			echo "$1 $name $(quoted "${!name}")"
	done
}

server_conf()
{
	cat <<-END
	ServerRoot "$run"
	DefaultRuntimeDir "$run"
	PidFile "$run/apache"
	ErrorLog "|$(command -v cat)"
	LogLevel warn
	ServerName 127.0.0.1
	Listen 127.0.0.1:$port
	Define COMETLOG_SITE "$state/www"
	Define COMETLOG_SOCKET "$socket"
	Define COMETLOG_WSD_SOCKET "$wsd_socket"
	DocumentRoot "\${COMETLOG_SITE}"
	END
	load_modules mpm_event authz_core deflate dir env filter headers mime proxy \
		proxy_http rewrite setenvif
	echo "Include \"$top/apache/site.conf\""
	echo "Include \"$top/apache/mpm_event.conf\""
}

fcgid_conf()
{
	load_modules fcgid
	cat <<-END
	FcgidIPCDir "$run/fcgid"
	FcgidProcessTableFile "$run/fcgid.table"
	END
}

folder_conf()
{
	cat <<-END
	<Directory "$folder">
		AllowOverride FileInfo Options AuthConfig
	</Directory>
	END
}

web_conf()
{
	server_conf
	case $server in
	apache)
		load_modules proxy_fcgi
		echo "Include \"$top/apache/proxy_fcgi.conf\"" ;;
	apache-fcgid)
		load_modules alias
		fcgid_conf
		echo "Define COMETLOG_PROGRAM \"$build/cometlog.fcgi\""
		echo "Define COMETLOG_LOG \"$state/cometlog.db\""
		echo "FcgidInitialEnv COMETLOG_TIP_FILE \"$state/www/comet-tip\""
		echo "Include \"$top/apache/fcgid.conf\""
		program_environment FcgidInitialEnv ;; # the later one wins
	apache-htaccess)
		fcgid_conf
		program_environment FcgidInitialEnv
		echo "FcgidInitialEnv COMETLOG_LOG \"$state/cometlog.db\""
		echo "FcgidInitialEnv COMETLOG_TIP_FILE \"$state/www/comet-tip\""
		folder_conf ;;
	apache-cgi)
		load_modules cgid
		echo "ScriptSock \"$run/cgid.sock\""
		program_environment SetEnv
		echo "SetEnv COMETLOG_LOG \"$state/cometlog.db\""
		folder_conf ;;
	esac
	[ -n "$has_worker" ] || echo "Include \"$top/apache/websocket.conf\""
}

# Apache never serves as root; started by root it would serve as somebody else,
# to whom the sockets and, where they lie in root's home, the pages are closed.
# Here it is somebody else from the start, with root's right to open files.
web_set_command()
{
	local rights=+dac_override,+fowner,+net_bind_service

	web_command=("$web" -D FOREGROUND -f "$run/web.conf")
	[ "$(id -u)" != 0 ] ||
		web_command=(setpriv --securebits +no_setuid_fixup --reuid www-data --regid www-data
			--clear-groups --inh-caps $rights --ambient-caps $rights
			--pdeathsig TERM "${web_command[@]}")
}

web_prepare()
{
	mkdir -p "$run/fcgid"
	[ -z "$folder" ] || { mkdir -p "$folder" &&
		cp "$build/cometlog.fcgi" "$folder/cometlog.fcgi" &&
		cp "$top/apache/$htaccess" "$folder/.htaccess"; } ||
		die "cannot write to $folder"
}

web_clean()
{
	rm -rf "$run"/fcgid "$run"/fcgid.table "$run"/cgid.sock* "$run"/apache
	if [ -n "$folder" ]; then
		rm -f "$folder/cometlog.fcgi" "$folder/.htaccess"
		rmdir "$folder" 2>/dev/null
	fi
}

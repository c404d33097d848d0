#!/bin/bash
# The package's life, inside a Debian in which it was just installed; see run.sh.
# The network is its own and has loopback only, so that the web servers can
# have port 80.  There is no systemd: the services are started here by what
# their units say.
set -u
cd /root || exit 1
. ./tell.sh
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

url=http://127.0.0.1
base=$url/comet
stranger=192.0.2.1      # reaches the web server, but is not this host
log=/var/lib/cometlog/cometlog.db
units=/lib/systemd/system
pids=/run/services

# soon COMMAND...: true as soon as it is, within a while.
soon()
{
	local n

	for ((n = 0; n < 600; n++)); do
		"$@" && return
		sleep 0.05
	done
	return 1
}

# ---- the services, by their units --------------------------------------

# of UNIT KEY: what the unit says.
of()
{
	sed -n "s/^$2=//p" "$units/$1" | tail -n 1
}

# What systemd does: the folders, the socket, and the program with the socket as
# descriptor 0, again whenever it ends.
start_service()
{
	local name=$1 folder

	for folder in $(of "$name.service" StateDirectory); do
		install -d -m "$(of "$name.service" StateDirectoryMode)" \
			-o "$(of "$name.service" User)" \
			-g "$(of "$name.service" Group)" "/var/lib/$folder"
	done
	install -d -m "$(of "$name.socket" DirectoryMode)" \
		"$(dirname "$(of "$name.socket" ListenStream)")"
	install -m 666 /dev/null "$pids/$name"
	(
		umask "$(of "$name.service" UMask)"
		ulimit -n "$(of "$name.service" LimitNOFILE)" 2>/dev/null
		exec spawn-fcgi -n -s "$(of "$name.socket" ListenStream)" \
			-M "$(of "$name.socket" SocketMode)" \
			-U "$(of "$name.socket" SocketUser)" \
			-G "$(of "$name.socket" SocketGroup)" \
			-u "$(of "$name.service" User)" \
			-g "$(of "$name.service" Group)" -- /bin/sh -c '
				exec 3<&0
				while :; do
					"$@" <&3 3<&- &
					echo $! >"$0"
					wait $!
				done' "$pids/$name" \
			$(of "$name.service" ExecStart)
	) &
	service_of[$name]=$!
	soon test -s "$pids/$name"
}

stop_service()
{
	kill "${service_of[$1]}"
	wait "${service_of[$1]}" 2>/dev/null
	kill "$(cat "$pids/$1")"
	soon is_gone "$(cat "$pids/$1")"
	rm -f "$(of "$1.socket" ListenStream)"
}

is_gone()
{
	! kill -0 "$1" 2>/dev/null
}

declare -A service_of

# ---- the web servers, as Debian has set them up ------------------------

start_web()
{
	case $1 in
	lighttpd) lighttpd -D -f /etc/lighttpd/lighttpd.conf & ;;
	apache2)
		(
			set +u
			. /etc/apache2/envvars
			mkdir -p "$APACHE_RUN_DIR"
			exec apache2 -D FOREGROUND
		) & ;;
	esac
	web=$!
	soon curl -s -o /dev/null "$url/"
}

stop_web()
{
	kill "$web"
	wait "$web" 2>/dev/null
	soon no_web
}

no_web()
{
	! curl -s -o /dev/null "$url/"
}

# ---- what is asked of them ---------------------------------------------

# status CURL-ARGUMENT...: prints the status of the answer.
status()
{
	curl -s -o /dev/null -m 20 -w '%{http_code}' "$@"
}

# answers STATUS CURL-ARGUMENT...
answers()
{
	local wanted=$1 got
	shift

	got=$(status "$@")
	echo "$got for $*"
	[ "$got" = "$wanted" ]
}

publish()
{
	answers 201 -d "data=$2" "$base/publish/$1"
}

# The epoch is what a new log would change.
epoch()
{
	curl -s "$base/poll?channel=**&limit=0" |
		sed -n 's/.*"cursor":"[0-9]*\.\([0-9a-f]*\)".*/\1/p'
}

# has CHANNEL DATA: the log has it, as a poll sees it.
has()
{
	curl -s "$base/poll?channel=$1" | grep -F "\"data\":\"$2\""
}

# open_held CURL-ARGUMENT...: asks for an answer that lasts; held grows with it.
open_held()
{
	rm -f held
	curl -siN -m 60 --http1.1 "$@" >held &
	reader=$!
}

# shows PATTERN: a line of it comes to match.
shows()
{
	soon grep -aq "$1" held
}

close_held()
{
	kill "$reader"
	wait "$reader" 2>/dev/null
}

# A reader by Server-Sent Events gets what is published after it came.
streams()
{
	open_held "$base/events?channel=$1"
	shows '^retry:' && publish "$1" streamed && shows '^data: streamed'
	set -- $?
	close_held
	return "$1"
}

websocket()
{
	open_held -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
		-H 'Sec-WebSocket-Version: 13' \
		-H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' \
		"$base/ws?channel=$1&last=1"
	shows "\"data\":\"$2\""
	set -- $?
	close_held
	return "$1"
}

is_tip()
{
	[ "$(curl -s "$url/comet-tip")" = "$(curl -s "$base/poll?channel=**&limit=0" |
		sed -n 's/.*"cursor":"\([^"]*\)".*/\1/p')" ]
}

tip_unchanged()
{
	local tag

	tag=$(curl -s -D - -o /dev/null "$url/comet-tip" | tr -d '\r' |
		sed -n 's/^[Ee][Tt]ag: //p')
	answers 304 -H "If-None-Match: $tag" "$url/comet-tip"
}

# Bayeux' callback-polling, told of it in its own way.
get_is_refused()
{
	curl -sG --interface $stranger --data-urlencode \
		'message=[{"channel":"/get","data":"x"}]' "$base/bayeux" |
		grep '"successful":false,.*403:'
}

# ---- under each web server ---------------------------------------------

tour()
{
	check "$1 publishes" publish "$1/a" one
	check "$1 polls" has "$1/a" one
	check "$1 streams" streams "$1/b"
	check "$1 passes WebSockets on" websocket "$1/a" one
	check "$1 gives out the tip" soon is_tip
	check "$1 gives out the tip only when it has changed" tip_unchanged
	check "$1 has comet.js" answers 200 "$url/cometlog/comet.js"
	check "$1 lets strangers read" answers 200 --interface $stranger \
		"$base/poll?channel=$1/a"
	check "$1 lets no stranger publish" answers 403 --interface $stranger \
		-d data=x "$base/publish/$1/a"
	check "$1 lets no stranger publish with a GET" get_is_refused
	check "$1 lets nobody have the log" answers 404 "$url/cometlog.db"
}

# ---- the units ---------------------------------------------------------

units_hold()
{
	! systemd-analyze verify --man=no $units/cometlog*.service \
		$units/cometlog*.socket 2>&1 | grep .
}

# In tenths of systemd's points: 0 nothing to attack, 100 everything.
units_are_strict()
{
	local unit

	for unit in cometlog cometlog-wsd; do
		systemd-analyze security --offline=true --threshold=10 \
			$units/$unit.service || return
	done
}

units_are_enabled()
{
	ls /etc/systemd/system/multi-user.target.wants/cometlog.service \
		/etc/systemd/system/multi-user.target.wants/cometlog-wsd.service \
		/etc/systemd/system/sockets.target.wants/cometlog.socket \
		/etc/systemd/system/sockets.target.wants/cometlog-wsd.socket
}

# ---- who may touch the log ---------------------------------------------

as_web()
{
	setpriv --reuid www-data --regid www-data --init-groups "$@"
}

web_user_is_kept_out()
{
	! as_web sqlite3 $log 'SELECT 1 FROM publish' &&
		! as_web sh -c "echo >/var/lib/cometlog/public/x" &&
		! setpriv --reuid nobody --regid nogroup --clear-groups \
			curl -s --unix-socket /run/cometlog/worker.sock http://x/
}

# As README.md has it for PHP.
web_user_publishes_with_sql()
{
	usermod -aG cometlog www-data && chmod 660 $log* &&
		as_web sqlite3 -cmd '.timeout 5000' $log \
			"INSERT INTO publish(channel, data) VALUES ('sql', 'own')" &&
		soon has sql own
}

# Then SQLite makes files in the log's folder as the web server's user, which the
# services must be able to use as long as it has the log open.
web_user_publishes_alone()
{
	stop_all
	rm -f statements
	mkfifo statements
	as_web sqlite3 $log <statements &
	exec 9>statements
	echo "INSERT INTO publish(channel, data) VALUES ('sql', 'alone');" >&9
	soon test -s $log-wal && start_all && soon has sql alone &&
		publish sql after
	set -- $?
	exec 9>&-
	return "$1"
}

# ---- the package comes and goes ----------------------------------------

install_next()
{
	echo '# mine' >>/etc/cometlog/cometlog.conf
	apt-get -q install -y ./cometlog-next.deb &&
		dpkg -s cometlog | grep -q '^Version: .*+next$' &&
		grep -qx '# mine' /etc/cometlog/cometlog.conf
}

# As the package does under systemd: the socket stays, the program changes.
restart_loses_nothing()
{
	local old

	old=$(cat $pids/cometlog)
	kill "$old"
	publish restart during && soon is_gone "$old" && has restart during
}

same_log()
{
	[ -n "$1" ] && [ "$(epoch)" = "$1" ] && has lighttpd/a one && has apache2/a one
}

web_servers_still_start()
{
	apachectl configtest && lighttpd -tt -f /etc/lighttpd/lighttpd.conf
}

remove_keeps_the_log()
{
	apt-get -q remove -y cometlog && [ -s $log ] &&
		[ ! -e /usr/libexec/cometlog ] && [ -e /etc/cometlog ] &&
		web_servers_still_start
}

purge_leaves_nothing()
{
	apt-get -q purge -y cometlog && web_servers_still_start &&
		! find / -xdev -name '*cometlog*' ! -path '/root/*' \
			! -path "$pids/*" ! -path '/proc/*' ! -path '/var/log/*' | grep .
}

start_all()
{
	start_service cometlog && start_service cometlog-wsd
}

stop_all()
{
	stop_service cometlog
	stop_service cometlog-wsd
}

check "the units are in order" units_hold
check "the units leave little to attack" units_are_strict
check "the units are enabled" units_are_enabled
ip link set lo up && ip address add $stranger/32 dev lo || exit 1
mkdir -m 777 $pids || exit 1
must "the services start" start_all
for server in lighttpd apache2; do
	must "$server starts" start_web $server
	tour $server
	[ $server = apache2 ] || stop_web
done
check "the web server's user is kept out of the log" web_user_is_kept_out
check "a member of the group cometlog publishes with SQL" \
	web_user_publishes_with_sql
must "and also while the services are down" web_user_publishes_alone
epoch=$(epoch)
must "a higher version is installed over it" install_next
check "requests wait while the program changes" restart_loses_nothing
check "an upgrade keeps the log" same_log "$epoch"
stop_web
stop_all
check "remove keeps the log" remove_keeps_the_log
must "it can be installed again" apt-get -q install -y ./cometlog.deb
must "the services start again" start_all
must "apache2 starts again" start_web apache2
check "and goes on where it was" same_log "$epoch"
stop_web
stop_all
check "purge leaves nothing" purge_leaves_nothing
[ $failed = 0 ]

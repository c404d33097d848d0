#!/bin/sh
# Posts the figures of an imaginary site, once a second, for the demo's board:
#
#	scripts/board-feed.sh http://127.0.0.1:8080/comet
#
# One message on board/figures each time, such as
# {"visitors":512,"orders":14,"answer":38,"load":0.72}: people on the site,
# orders a minute, milliseconds that a page takes, and the load of the machine.
# Needs curl alone.  Ends when whoever started it does.
set -u

usage()
{
	echo "usage: ${0##*/} URL-OF-THE-PROGRAM" >&2
	exit 2
}

[ $# -eq 1 ] || usage
case $1 in
http://* | https://*) url=${1%/}/publish/board/figures ;;
*) usage ;;
esac

seed=$(($(date +%s) * 7919 + $$))
second=0
visitors=420
answer=40

# chance N: sets $chance to something from -N to N.
chance()
{
	seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
	chance=$(((seed >> 8) % (2 * $1 + 1) - $1))
}

# Visitors come and go in waves of 90 seconds; the rest follows them.
step()
{
	second=$((second + 1))
	wave=$((second % 90 - 45))
	[ $wave -ge 0 ] || wave=$((-wave))
	chance 26
	visitors=$((visitors + (240 + 9 * wave - visitors) / 8 + chance))
	[ $visitors -ge 0 ] || visitors=0
	chance 3
	orders=$((visitors / 36 + chance))
	[ $orders -ge 0 ] || orders=0
	chance 5
	answer=$((answer + (22 + visitors / 12 - answer) / 4 + chance))
	[ $answer -ge 8 ] || answer=8
	chance 4
	load=$((visitors / 6 + chance))
	[ $load -ge 0 ] || load=0
}

post()
{
	printf '{"visitors":%d,"orders":%d,"answer":%d,"load":%d.%02d}' \
		$visitors $orders $answer $((load / 100)) $((load % 100)) |
		curl -s -o /dev/null -m 5 --noproxy '*' \
			-H 'Content-Type: application/json' --data-binary @- "$url"
}

# A figure that the site would not take is left out; the next one is newer.
while [ -d "/proc/$PPID" ]; do
	step
	post || :
	sleep 1
done

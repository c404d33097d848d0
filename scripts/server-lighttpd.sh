# lighttpd before the demo's worker and daemon; read by demo with ".".  Each
# scripts/server-*.sh sets what is below and defines web_conf.

web_name=lighttpd               # as messages call it
web_program=lighttpd
web_sets=lighttpd               # of the table in common.sh
has_worker=yes                  # the demo runs the worker, not the web server

# Prints the configuration.
web_conf()
{
	cat <<-END
	server.document-root = "$state/www"
	server.bind = "127.0.0.1"
	server.port = $port
	include "$top/lighttpd/site.conf"
	include "$top/lighttpd/cometlog.conf"
	END
}

# Sets web_command, which stays in the foreground and ends at SIGTERM.
web_set_command()
{
	web_command=(env "COMETLOG_SOCKET=$socket"
		"COMETLOG_WSD_SOCKET=$wsd_socket" "$web" -D -f "$run/web.conf")
}

# Makes, and takes away again, what else the web server needs; its children
# have ended.
web_prepare() { :; }
web_clean() { :; }

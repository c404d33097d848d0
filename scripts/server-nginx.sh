# nginx before the demo's worker and daemon; see server-lighttpd.sh.

web_name=nginx
web_program=nginx
web_sets=nginx
has_worker=yes

web_conf()
{
	# Started by root it would serve as somebody else, to whom the sockets
	# and, where they lie in root's home, the pages are closed.
	[ "$(id -u)" != 0 ] || echo "user root;"
	cat <<-END
	daemon off;
	pid "$run/web.pid";
	error_log stderr;
	worker_processes 1;
	worker_rlimit_nofile $(ulimit -Hn);
	events {
		worker_connections 19000;
	}
	http {
		client_body_temp_path "$run/nginx";
		fastcgi_temp_path "$run/nginx";
		proxy_temp_path "$run/nginx";
		scgi_temp_path "$run/nginx";
		uwsgi_temp_path "$run/nginx";
		upstream cometlog {
			server "unix:$socket";
		}
		upstream cometlog-wsd {
			server "unix:$wsd_socket";
		}
		include "$top/nginx/site.conf";
		server {
			listen 127.0.0.1:$port backlog=4096;
			root "$state/www";
			include "$top/nginx/cometlog.conf";
		}
	}
	END
}

web_set_command()
{
	web_command=("$web" -e stderr -c "$run/web.conf")
}

web_prepare() { :; }

web_clean()
{
	rm -rf "$run/nginx"
}

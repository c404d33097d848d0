/*
 * What findings are made of, and the lines that they tell people to change, by
 * the server that they are for.  A remedy: { where, lines }, ready to be copied.
 */

const fix = (where, lines) => ({ where, lines });

/* Of the texts by which servers name themselves, the first that is known. */
export function serverOf(...names) {
	const known = [["litespeed", /litespeed|lsws/i],
		["nginx", /nginx|openresty/i], ["lighttpd", /lighttpd/i],
		["apache", /apache/i]];

	for (const name of names)
		for (const [server, pattern] of known)
			if (pattern.test(name ?? ""))
				return server;
	return "unknown";
}

export const finding = (id, level, title, text, ...fixes) =>
	({ id, level, title, text, fixes });
export const remedies = (one) => one === undefined ? [] : [one];

/* m.front: the Server field; m.facts.server.software: the program's. */
export const backOf = (m) => serverOf(m.facts?.server.software, m.front);
export const frontOf = (m) => serverOf(m.front, m.facts?.server.software);

/* In a folder that was uploaded its .htaccess decides; elsewhere the operator's
   configuration. */
export const isUploaded = (m) => /\.f?cgi$/.test(m.base);

export const setting = (lines) => fix("cometlog.conf", lines);

const BESIDE = ".htaccess, beside cometlog.fcgi";
const MAPPED = "lighttpd, where /comet is mapped";
const LOCATION = "nginx, in the location of /comet";

export const HANDLER = fix(BESIDE,
	"Options +ExecCGI\nAddHandler fcgid-script .fcgi");

export const FASTCGI = fix(BESIDE, "AddHandler fcgid-script .fcgi");

export const MODE = fix("by FTP or in a shell",
	"chmod 755 cometlog.fcgi\nchmod 755 .    # its folder");

export const JOURNAL = fix("on the server", "journalctl -u cometlog -n 20");

export const SOCKET = fix("on the server",
	"systemctl status cometlog\nls -l /run/cometlog/worker.sock");

/* Lets the address through where a rule takes all of them. */
export const passBy = (path) => fix(".htaccess, above that rule",
	`RewriteRule ^${path.replace(/^\//, "").replace(/[.+]/g, "\\$&")} - [L]`);

export const MAP = {
	lighttpd: fix("on the server",
		"lighty-enable-mod cometlog\nsystemctl restart lighttpd"),
	apache: fix("on the server",
		"a2enconf cometlog\nsystemctl restart apache2"),
};

export const UNBUFFER = {
	lighttpd: [fix(MAPPED, "server.stream-response-body = 2")],
	nginx: [fix(LOCATION,
		"fastcgi_buffering off;\nproxy_buffering off;    # if it is a proxy")],
	apache: [
		fix("Apache, mod_proxy_fcgi", "ProxyPass \"unix:/run/cometlog/" +
			"worker.sock|fcgi://cometlog/\" flushpackets=on"),
		fix("Apache, mod_fcgid", "FcgidOutputBufferSize 0"),
	],
};

const NO_GZIP = fix(".htaccess",
	"SetEnvIf Request_URI \"/(events|stream)/?$\" no-gzip no-brotli");

export const UNZIP = {
	apache: NO_GZIP,
	litespeed: NO_GZIP,
	nginx: fix(LOCATION, "gzip off;"),
	lighttpd: fix(MAPPED, "deflate.mimetypes = ()"),
};

const DENY_HERE = fix(".htaccess, in the folder of the log",
	"Require all denied");

export const DENY = {
	apache: DENY_HERE,
	litespeed: DENY_HERE,
	nginx: fix("nginx, in the server { } of your site",
		"location ~ (/data/|/cometlog\\.conf$|\\.db) {\n    deny all;\n}"),
	lighttpd: fix("lighttpd", "server.modules += ( \"mod_access\" )\n" +
		"$HTTP[\"url\"] =~ \"(/data/|/cometlog\\.conf$|\\.db)\" {\n" +
		"    url.access-deny = ( \"\" )\n}"),
};

export const WEBSOCKET = {
	apache: fix("Apache, mod_proxy_http", "<Location \"/comet/ws\">\n" +
		"    ProxyPass \"unix:/run/cometlog/wsd.sock|" +
		"http://cometlog-wsd/comet/ws\" upgrade=websocket\n</Location>"),
	nginx: fix("nginx, in the server { } of your site",
		"location = /comet/ws {\n" +
		"    proxy_pass http://unix:/run/cometlog/wsd.sock;\n" +
		"    proxy_http_version 1.1;\n" +
		"    proxy_set_header Host $http_host;\n" +
		"    proxy_set_header Upgrade $http_upgrade;\n" +
		"    proxy_set_header Connection upgrade;\n}"),
	lighttpd: fix("lighttpd", "$HTTP[\"url\"] =~ \"^/comet/ws/?$\" {\n" +
		"    fastcgi.server = ()\n" +
		"    proxy.server = ( \"\" => (( \"host\" => " +
		"\"/run/cometlog/wsd.sock\" )) )\n" +
		"    proxy.header = ( \"upgrade\" => \"enable\" )\n}"),
};

export const ETAG = { apache: fix(".htaccess", "FileETag MTime Size") };

export const LINK = fix("on the server",
	"ln -s /var/lib/cometlog/comet-tip /var/www/html/");

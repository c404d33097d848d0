#include "prog/findings_judge.h"

#include <stdio.h>
#include <string.h>

/* What is sent 1.5 s apart and comes so far apart was not kept back. */
#define APART_MS 500

/* Of a limit that was found so much may be used. */
#define SAFE(ms) ((ms) / 1000 * 3 / 4)

/* Long polls that can't last so long are no better than polls. */
#define SHORT_MS 5000

/* An answer beside held ones that takes so long had to wait for a process. */
#define SLOW_MS 500

#define MIB (1024 * 1024)

/* ---- the program and its place ---- */

static void
judge_gateway(struct findings *f, const struct survey *s)
{
	const struct survey_facts *a = &s->facts;
	const char *by = a->software[0] != 0 ? a->software
	    : s->server[0] != 0              ? s->server
	                                     : "a web server without a name";

	if (strcmp(a->gateway, "fastcgi") == 0)
		findings_add(f, "gateway", FINDINGS_GOOD,
		    "The program is reached",
		    "Cometlog %s runs as a FastCGI program under %s and "
		    "answers "
		    "in %u ms, by %s.",
		    a->version, by, s->ping_ms, s->protocol);
	else
		findings_fix(findings_add(f, "gateway", FINDINGS_NOTE,
		                 "The program is reached, as plain CGI",
		                 "Cometlog %s is started anew for each request "
		                 "(%u ms). That "
		                 "works; FastCGI is several times quicker. If "
		                 "the host has "
		                 "mod_fcgid, this line is enough:",
		                 a->version, s->ping_ms),
		    HTACCESS, "AddHandler fcgid-script .fcgi");
}

static void
judge_log(struct findings *f, const struct survey_facts *a)
{
	bool is_wal = strcmp(a->journal, "wal") == 0;

	if (is_wal && !a->is_fit_for_wal)
		findings_fix(findings_add(f, "log", FINDINGS_FAULT,
		                 "The log's file system can't carry it",
		                 "The log is written ahead (WAL) on %s, where "
		                 "processes can't "
		                 "share memory: messages may get lost.",
		                 a->file_system),
		    CONFIG, "journal = rollback");
	else if (!a->has_locks)
		findings_fix(findings_add(f, "log", FINDINGS_FAULT,
		                 "The log's file system has no locks",
		                 "On %s two processes can write at the same "
		                 "time without "
		                 "noticing.",
		                 a->file_system),
		    CONFIG, "log = /another/place/cometlog.db");
	else if (is_wal || !a->is_fit_for_wal)
		findings_add(f, "log", is_wal ? FINDINGS_GOOD : FINDINGS_NOTE,
		    is_wal ? "The log lies well"
		           : "The log is written by rollback",
		    "It is on %s%s.", a->file_system,
		    is_wal
		        ? ", with locks and shared memory, written ahead (WAL)"
		        : ", where no write-ahead log is possible");
	else
		findings_fix(findings_add(f, "log", FINDINGS_NOTE,
		                 "The log is written by rollback",
		                 "It is on %s, which could carry a write-ahead "
		                 "log; that is "
		                 "quicker.",
		                 a->file_system),
		    CONFIG, "journal = auto");
	if (a->free_bytes < UINT64_C(100) * MIB)
		findings_fix(findings_add(f, "space", FINDINGS_CHANGE,
		                 "Little room is left",
		                 "%llu MiB are free where the log lies.",
		                 (unsigned long long)a->free_bytes / MIB),
		    CONFIG, "retain = ** age=7d bytes=20M");
}

static void
judge_files(struct findings *f, const struct survey *s)
{
	size_t i;

	for (i = 0; i < SURVEY_FILES && !s->file[i].is_open; i++)
		continue;
	if (i == SURVEY_FILES)
		findings_add(f, "exposed", FINDINGS_GOOD,
		    "The log can't be fetched",
		    "%s and its like are refused%s.", s->file[1].path,
		    s->facts.is_in_web_root
		        ? ", though they lie below what the web server serves"
		        : "");
	else if (findings_is_server(s, "nginx") ||
	    findings_is_server(s, "lighttpd"))
		findings_fix(findings_add(f, "exposed", FINDINGS_FAULT,
		                 "Anybody can fetch the log",
		                 "The web server hands out %s. Deny it:",
		                 s->file[i].path),
		    "the web server's configuration", "%s",
		    findings_is_server(s, "nginx")
		        ? "location ~ (/data/|"
		          "/cometlog\\.conf$|\\.db) {\n    deny all;\n}"
		        : "$HTTP[\"url\"] =~ "
		          "\"(/data/|/cometlog\\.conf$|\\.db)\" {\n"
		          "    url.access-deny = ( \"\" )\n}");
	else
		findings_fix(findings_add(f, "exposed", FINDINGS_FAULT,
		                 "Anybody can fetch the log",
		                 "The web server hands out %s. Deny it:",
		                 s->file[i].path),
		    ".htaccess, in the folder of the log",
		    "Require all denied");
}

/* ---- streams ---- */

static bool
is_prompt(const struct survey_stream *a)
{
	return a->status == 200 && a->first_ms > 0 &&
	    a->rest_ms > a->first_ms + APART_MS;
}

static bool
is_flowing(const struct survey *s)
{
	size_t i;

	for (i = 0; i < SURVEY_STREAMS; i++)
		if (!is_prompt(&s->stream[i]))
			return false;
	return true;
}

static void
fix_buffer(struct finding *x, const struct survey *s)
{
	if (findings_is_uploaded(s) || strcmp(s->facts.gateway, "fastcgi") != 0)
		return; /* the host's choice; under CGI there is no such line */
	if (findings_is_server(s, "lighttpd"))
		findings_fix(x, "lighttpd, where /comet is mapped",
		    "server.stream-response-body = 2");
	else if (findings_is_server(s, "nginx"))
		findings_fix(x, "nginx, in the location of /comet",
		    "fastcgi_buffering off;\n"
		    "proxy_buffering off;    # if it is a proxy");
	else if (findings_is_server(s, "apache"))
		findings_fix(x, "Apache, mod_proxy_fcgi or mod_fcgid",
		    "ProxyPass \"unix:"
		    "/run/cometlog/worker.sock|fcgi://cometlog/\" \\\n"
		    "    flushpackets=on\nFcgidOutputBufferSize 0");
}

static void
judge_streams(struct findings *f, const struct survey *s)
{
	const struct survey_stream *large = &s->stream[SURVEY_STREAMS - 1];

	if (s->stream[0].status != 200)
		findings_add(f, "streams", FINDINGS_NOTE,
		    "Streams could not be measured",
		    "The place for a held answer was refused (%ld).",
		    s->stream[0].status);
	else if (is_flowing(s))
		findings_add(f, "streams", FINDINGS_GOOD,
		    "Streams arrive at once",
		    "Pieces of 1, 4 and 64 KiB were here within %u ms, long "
		    "before the end of their answers.",
		    large->first_ms);
	else
		fix_buffer(
		    findings_add(f, "streams",
		        findings_is_uploaded(s) ? FINDINGS_NOTE
		                                : FINDINGS_CHANGE,
		        "Something keeps streams back",
		        "%s: a buffer in the web server or in front of it. "
		        "Pages use "
		        "long polling, where each message is an answer of its "
		        "own.%s",
		        is_prompt(large)
		            ? "Small pieces wait until there "
		              "is more"
		            : "Nothing of an answer arrives before its end",
		        findings_is_uploaded(s)
		            ? " On shared hosting that is the host's "
		              "choice."
		            : ""),
		    s);
	if (is_flowing(s) && s->page.status == 200 && !is_prompt(&s->page))
		findings_fix(findings_add(f, "gzip", FINDINGS_CHANGE,
		                 "Compression keeps pages back",
		                 "A page that comes in pieces "
		                 "arrives only at its end, which stops script "
		                 "streaming and "
		                 "no other technique."),
		    ".htaccess",
		    "SetEnvIf Request_URI "
		    "\"/(events|stream)/?$\" no-gzip no-brotli");
}

/* ---- how many, and how long ---- */

/* The one beside which a small request had to wait is among those that the host
   serves; one that it refused is not. */
static void
judge_few(struct findings *f, const struct survey *s)
{
	unsigned most = s->held + s->has_wait;
	struct finding *x;
	char title[96];

	if (most < 2)
		most = 2;
	snprintf(title, sizeof title,
	    "With more than %u answers held, others "
	    "%s",
	    s->held, s->has_wait ? "wait" : "are refused");
	x = findings_add(f, "held", FINDINGS_CHANGE, title,
	    "While so many pages are "
	    "open, the site stands still. Tell the program how many requests "
	    "it "
	    "may use, and it keeps some free:");
	findings_fix(x, CONFIG, "site-requests = %u\nsite-reserve = %u", most,
	    (most + 1) / 2);
}

static void
judge_held(struct findings *f, const struct survey *s)
{
	char title[96];

	if (s->has_wait || (s->held_status != 0 && s->held_status != 503)) {
		judge_few(f, s);
	} else if (s->held_status == 0) {
		snprintf(title, sizeof title,
		    "%u answers are held at a time, "
		    "and nothing waits",
		    s->held);
		findings_add(f, "held", FINDINGS_GOOD, title,
		    "Meanwhile the program "
		    "answers in %u ms%s. More was not tried.",
		    s->held_ping_ms,
		    s->held_ping_ms > SLOW_MS ? ", as where a process must be "
		                                "started first"
		                              : "");
	} else {
		snprintf(title, sizeof title,
		    "%u answers are held for one "
		    "visitor",
		    s->held);
		findings_add(f, "held", FINDINGS_GOOD, title,
		    "More are refused by the "
		    "program's own bounds (doctor-probes, client-held, "
		    "site-requests), as they should be.");
	}
}

static void
judge_silent(struct findings *f, const struct survey *s)
{
	const struct survey_life *a = &s->silent;
	uint32_t most = SAFE(a->lived_ms) < 1 ? 1 : SAFE(a->lived_ms);
	char title[96];

	if (a->is_whole) {
		snprintf(title, sizeof title,
		    "A request may be silent for %u s", a->asked_s);
		findings_add(f, "silent", FINDINGS_GOOD, title,
		    "The longest long poll "
		    "lasts %llu s (longpoll-max); comet.js asks for 25.",
		    (unsigned long long)s->facts.longpoll_max_ms / 1000);
	} else {
		snprintf(title, sizeof title, "Silence is cut off after %u s",
		    (a->lived_ms + 500) / 1000);
		findings_fix(
		    findings_add(f, "silent", FINDINGS_CHANGE, title,
		        "A long poll that "
		        "waits for longer ends in an error. Let them come back "
		        "earlier:"),
		    CONFIG, "longpoll-max = %us%s", most,
		    most < 14 ? "\nheartbeat = 5s" : "");
	}
}

static void
judge_life(struct findings *f, const struct survey *s)
{
	const struct survey_life *a = &s->life;
	uint32_t most = SAFE(a->lived_ms) < 5 ? 5 : SAFE(a->lived_ms);
	char title[96];

	if (a->is_whole || a->lived_ms > s->facts.max_hold_ms + 5000) {
		snprintf(title, sizeof title, "An answer may live for %u s",
		    a->lived_ms / 1000);
		findings_add(f, "life", FINDINGS_GOOD, title,
		    "The program ends streams by "
		    "itself after %llu s (max-hold).",
		    (unsigned long long)s->facts.max_hold_ms / 1000);
	} else {
		snprintf(title, sizeof title, "Answers are cut off after %u s",
		    (a->lived_ms + 500) / 1000);
		findings_fix(findings_add(f, "life", FINDINGS_CHANGE, title,
		                 "Clients go on where "
		                 "they were, but an error is in between. Let "
		                 "the program end "
		                 "them first:"),
		    CONFIG, "max-hold = %us", most);
	}
}

/* ---- the rest ---- */

static void
judge_tip(struct findings *f, const struct survey *s)
{
	if (!s->facts.has_tip)
		findings_fix(
		    findings_add(f, "tip", FINDINGS_CHANGE,
		        "There is no tip file",
		        "With one, the web server itself tells polling pages "
		        "that "
		        "nothing is new, and the program isn't asked."),
		    CONFIG, "tip-file = %s",
		    findings_is_uploaded(s) ? "comet-tip"
		                            : "/var/lib/cometlog/comet-tip");
	else if (!s->has_tip_cursor)
		findings_add(f, "tip", FINDINGS_CHANGE,
		    "The tip file is not found",
		    "The program keeps one, but %s is something else (%ld). If "
		    "it has another address, give that with --tip.",
		    s->tip_path, s->tip_status);
	else if (s->tip_again != 304)
		findings_add(f, "tip", FINDINGS_NOTE,
		    "The tip file is sent whole each time",
		    "It has a dozen bytes, so that is no harm.");
	else
		findings_add(f, "tip", FINDINGS_GOOD,
		    "The tip file answers quiet pages",
		    "Asked again, the web server says 304 by itself.");
}

static void
judge_rest(struct findings *f, const struct survey *s)
{
	int64_t off_s = (s->skew_ms < 0 ? -s->skew_ms : s->skew_ms) / 1000;

	if (s->has_websocket)
		findings_add(f, "ws", FINDINGS_GOOD, "WebSockets work",
		    "The handshake was answered.");
	else
		findings_add(f, "ws", FINDINGS_NOTE,
		    "There are no WebSockets here",
		    "They need cometlog-wsd, a program that runs all the "
		    "time%s.",
		    findings_is_uploaded(s)
		        ? ", which shared hosting rarely "
		          "allows; the other techniques bring the same messages"
		        : "");
	if (off_s >= 60)
		findings_add(f, "clock", FINDINGS_NOTE, "The clocks differ",
		    "The server's and this machine's, by %lld s.",
		    (long long)off_s);
}

void
findings_judge(struct findings *f, const struct survey *s)
{
	memset(f, 0, sizeof *f);
	if (!s->is_reached) {
		findings_judge_reach(f, s);
		return;
	}
	judge_gateway(f, s);
	judge_log(f, &s->facts);
	judge_files(f, s);
	judge_streams(f, s);
	judge_held(f, s);
	judge_tip(f, s);
	judge_rest(f, s);
	if (s->silent.is_made)
		judge_silent(f, s);
	if (s->life.is_made)
		judge_life(f, s);
	f->can[FINDINGS_WS] = s->has_websocket;
	f->can[FINDINGS_SSE] = is_flowing(s);
	f->can[FINDINGS_LONGPOLL] = !s->silent.is_made || s->silent.is_whole ||
	    s->silent.lived_ms >= SHORT_MS;
	f->can[FINDINGS_POLL] = true;
}

enum findings_level
findings_worst(const struct findings *f)
{
	enum findings_level worst = FINDINGS_GOOD;
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->item[i].level > worst)
			worst = f->item[i].level;
	return worst;
}

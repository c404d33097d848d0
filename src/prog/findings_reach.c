#include "prog/findings_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct finding *
findings_add(struct findings *f, const char *id, enum findings_level level,
    const char *title, const char *fmt, ...)
{
	struct finding *x = &f->item[f->n < FINDINGS_MAX - 1 ? f->n++ : f->n];
	va_list args;

	*x = (struct finding){.id = id, .level = level};
	snprintf(x->title, sizeof x->title, "%s", title);
	va_start(args, fmt);
	vsnprintf(x->text, sizeof x->text, fmt, args);
	va_end(args);
	return x;
}

void
findings_fix(struct finding *x, const char *where, const char *fmt, ...)
{
	va_list args;

	x->where = where;
	va_start(args, fmt);
	vsnprintf(x->lines, sizeof x->lines, fmt, args);
	va_end(args);
}

bool
findings_is_uploaded(const struct survey *s)
{
	size_t n = strlen(s->path);

	return n > 4 &&
	    (strcmp(s->path + n - 4, ".cgi") == 0 ||
	        (n > 5 && strcmp(s->path + n - 5, ".fcgi") == 0));
}

bool
findings_is_server(const struct survey *s, const char *name)
{
	return strcasestr(s->server, name) != NULL ||
	    strcasestr(s->facts.software, name) != NULL;
}

static void
judge_handed_out(struct findings *f, const struct survey *s)
{
	if (strncmp(s->sample, "\177ELF", 4) == 0 ||
	    strstr(s->type, "octet-stream") != NULL)
		findings_fix(findings_add(f, "reach", FINDINGS_FAULT,
		                 "The program is handed out, not run",
		                 "The web server sends the file itself: nobody "
		                 "told it that "
		                 ".fcgi is a program."),
		    HTACCESS, HANDLER);
	else
		findings_add(f, "reach", FINDINGS_FAULT,
		    "Something else answers",
		    "At %s there is another page. A rule of the site (one that "
		    "sends everything to index.php, say) takes the address; "
		    "let "
		    "it leave Cometlog's out.",
		    s->path);
}

static void
judge_missing(struct findings *f, const struct survey *s)
{
	struct finding *x = findings_add(f, "reach", FINDINGS_FAULT,
	    findings_is_uploaded(s) ? "The program is not there"
	                            : "The program is not mapped",
	    "The web server knows nothing at %s (404).", s->path);

	if (findings_is_uploaded(s))
		findings_fix(x, HTACCESS, HANDLER);
	else if (findings_is_server(s, "lighttpd"))
		findings_fix(x, "on the server",
		    "lighty-enable-mod cometlog\n"
		    "systemctl restart lighttpd");
	else if (findings_is_server(s, "apache"))
		findings_fix(x, "on the server",
		    "a2enconf cometlog\n"
		    "systemctl restart apache2");
}

static void
judge_failed(struct findings *f, const struct survey *s)
{
	struct finding *x = findings_add(f, "reach", FINDINGS_FAULT,
	    "The program could not be started",
	    "The web server tried and failed (%ld). Its error log has the "
	    "reason.%s",
	    s->status,
	    findings_is_uploaded(s) ? " Mostly it is a "
	                              "permission: the program and its folder "
	                              "must be writable for you "
	                              "alone."
	                            : "");

	if (findings_is_uploaded(s))
		findings_fix(x, "by FTP or in a shell",
		    "chmod 755 cometlog.fcgi\n"
		    "chmod 755 .    # its folder");
	else
		findings_fix(
		    x, "on the server", "journalctl -u cometlog -n 20");
}

static void
judge_detail(struct findings *f, const struct survey *s)
{
	if (strstr(s->detail, "option doctor") != NULL)
		findings_fix(findings_add(f, "reach", FINDINGS_NOTE,
		                 "The doctor is switched off",
		                 "The program answers, but does not let itself "
		                 "be measured."),
		    CONFIG, "doctor = on");
	else if (s->status == 404)
		findings_add(f, "reach", FINDINGS_NOTE,
		    "The program is an older one",
		    "It answers, but knows nothing of the doctor. Update it.");
	else
		findings_add(f, "reach", FINDINGS_FAULT,
		    "The program has trouble", "It runs and says: %s",
		    s->detail);
}

void
findings_judge_reach(struct findings *f, const struct survey *s)
{
	if (s->status == 0)
		findings_add(f, "reach", FINDINGS_FAULT, "No answer at all",
		    "%s.", s->error);
	else if (s->detail[0] != 0)
		judge_detail(f, s);
	else if (s->status == 200)
		judge_handed_out(f, s);
	else if (s->status == 404)
		judge_missing(f, s);
	else if (s->status == 401)
		findings_add(f, "reach", FINDINGS_FAULT,
		    "A password is asked for",
		    "The web server wants one for the program's address.");
	else if (s->status >= 300 && s->status < 400)
		findings_add(f, "reach", FINDINGS_FAULT, "It is somewhere else",
		    "The web server sends on to another address (%ld); give "
		    "that one, with https:// perhaps.",
		    s->status);
	else if (s->status == 403)
		findings_fix(findings_add(f, "reach", FINDINGS_FAULT,
		                 "The web server refuses to run the program",
		                 "It answers 403: programs may not run there, "
		                 "or the file may "
		                 "not be read."),
		    HTACCESS, HANDLER);
	else if (s->status == 502 || s->status == 503 || s->status == 504)
		findings_fix(findings_add(f, "reach", FINDINGS_FAULT,
		                 "The program does not answer the web server",
		                 "It does not run, or its socket is not where "
		                 "the web server "
		                 "looks (%ld).",
		                 s->status),
		    "on the server",
		    "systemctl status cometlog\nls -l "
		    "/run/cometlog/worker.sock");
	else if (s->status == 508)
		findings_fix(
		    findings_add(f, "reach", FINDINGS_FAULT,
		        "The host's limit is reached",
		        "As many requests as it allows are running now (508)."),
		    CONFIG, "site-requests = 20\nsite-reserve = 12");
	else
		judge_failed(f, s);
}

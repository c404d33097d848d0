/* cometlog.fcgi: serves FastCGI, or the one request of a CGI environment. */
#include "prog/folder.h"
#include "prog/listen.h"
#include "prog/program.h"
#include "prog/worker.h"
#include "transport/responder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRONG_SETTINGS \
	"Status: 503 Service Unavailable\r\nRetry-After: 60\r\n" \
	"Content-Type: application/problem+json\r\n" \
	"Cache-Control: no-store\r\n\r\n" \
	"{\"title\":\"Service Unavailable\",\"status\":503,\"detail\":" \
	"\"The program's settings are wrong%s%.*s; the server's error log " \
	"says " \
	"how.\"}\n"

static enum rc
serve_cgi(const struct options *o, int *status, struct err *e)
{
	if (!responder_is_cgi())
		return err_set(e, RC_CONFIG,
		    "nothing to serve on: give "
		    "--socket PATH, or start it from a web server. "
		    "--help lists the options.");
	*status = worker_run_cgi(o);
	return RC_OK;
}

/* "cometlog.conf:7" in text; values and folders are nothing for strangers. */
static struct slice
place_in(const char *text)
{
	const char *p = strstr(text, FOLDER_CONFIG ":");
	size_t head = sizeof FOLDER_CONFIG; /* the ':' for the NUL */

	return p == NULL
	    ? SLICE("")
	    : (struct slice){p, head + strspn(p + head, "0123456789")};
}

/* In an uploaded folder the web server starts it, whose user may see nothing
   but this answer.  Elsewhere ending at once is the better sign. */
static void
refuse(const struct err *e)
{
	struct slice place = place_in(e->text);
	char answer[512], *folder = NULL;
	struct err other;

	snprintf(answer, sizeof answer, WRONG_SETTINGS,
	    place.n > 0 ? " at " : "", (int)place.n, place.p);
	if (responder_is_cgi())
		fputs(answer, stdout);
	else if (folder_find(&folder, &other) == RC_OK && folder != NULL &&
	    listen_is_listening(STDIN_FILENO))
		responder_apologize(STDIN_FILENO, answer);
	free(folder);
}

int
main(int argc, char **argv)
{
	static const struct program fcgi = {
	    .name = "cometlog.fcgi",
	    .serve = worker_run,
	    .serve_without = serve_cgi,
	    .refuse = refuse,
	    .stop_wait_ms = 5000,
	};

	return program_main(&fcgi, argc, argv);
}

/* cometlog.fcgi: options, then one of the ways to serve. */
#include "base/diag.h"
#include "prog/listen.h"
#include "prog/settings.h"
#include "prog/supervisor.h"
#include "prog/worker.h"
#include "transport/responder.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "cometlog.fcgi"

/* Workers get so long to end what they hold before they are killed. */
#define STOP_WAIT_MS 3500

struct serving {
	const struct options *options;
	int fd;
};

static int
run_worker(void *arg, unsigned number)
{
	struct serving *s = arg;

	(void)number;
	return worker_run(s->options, s->fd);
}

/* What --help, --version and --help-man ask for. */
static int
tell(const struct options *o)
{
	struct buf b;

	buf_init(&b, 0);
	if (o->ask == OPTIONS_HELP)
		options_add_help(&b, PROGRAM);
	else if (o->ask == OPTIONS_HELP_MAN)
		options_add_man(&b);
	else
		buf_add_text(&b, PROGRAM " " COMETLOG_VERSION "\n");
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static enum rc
serve_socket(const struct options *o, int *status, struct err *e)
{
	struct listener l = {.fd = -1};
	struct serving serving = {o, STDIN_FILENO};
	struct supervisor s = {.workers = (unsigned)o->workers,
	    .run_dir = o->run_dir, .stop_wait_ms = STOP_WAIT_MS,
	    .worker = run_worker, .arg = &serving};
	enum rc rc = RC_OK;

	if (o->socket != NULL) {
		if ((rc = listen_open(&l, o->socket, o->socket_mode, e)))
			return rc;
		serving.fd = l.fd;
	}
	if (o->workers > 0)
		rc = supervise(&s, e);
	else
		*status = worker_run(o, serving.fd);
	if (o->socket != NULL)
		listen_close(&l);
	return rc;
}

static enum rc
serve(const struct options *o, int *status, struct err *e)
{
	if (o->socket == NULL && !listen_is_listening(STDIN_FILENO)) {
		if (!responder_is_cgi())
			return err_set(e, RC_CONFIG, "nothing to serve on: give "
			    "--socket PATH, or start it from a web server. "
			    "--help lists the options.");
		*status = worker_run_cgi(o);
		return RC_OK;
	}
	return serve_socket(o, status, e);
}

int
main(int argc, char **argv)
{
	struct options o;
	struct err e;
	int status = EXIT_SUCCESS;
	enum rc rc;

	mallopt(M_ARENA_MAX, 2); /* memory per held answer counts, not malloc's speed */
	rc = settings_load(&o, argc, argv, environ, &e);
	if (rc == RC_OK && o.ask != OPTIONS_RUN) {
		status = tell(&o);
		options_fini(&o);
		return status;
	}
	if (rc == RC_OK)
		rc = diag_open(PROGRAM, (enum diag_level)o.diag, o.diag_file, &e);
	if (rc == RC_OK)
		rc = serve(&o, &status, &e);
	if (rc != RC_OK) {
		fprintf(stderr, PROGRAM ": %s\n", e.text);
		status = EXIT_FAILURE;
	}
	options_fini(&o);
	return status;
}

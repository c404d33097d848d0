#include "prog/program.h"

#include "base/diag.h"
#include "prog/listen.h"
#include "prog/settings.h"
#include "prog/supervisor.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct serving {
	const struct program *program;
	const struct options *options;
	int fd;
};

static int
run_worker(void *arg, unsigned number)
{
	struct serving *s = arg;

	(void)number;
	return s->program->serve(s->options, s->fd);
}

/* What --help, --version and --help-man ask for. */
static int
tell(const struct program *p, const struct options *o)
{
	struct buf b;

	buf_init(&b, 0);
	if (o->ask == OPTIONS_HELP)
		options_add_help(&b, p->name);
	else if (o->ask == OPTIONS_HELP_MAN)
		options_add_man(&b);
	else
		buf_printf(&b, "%s %s\n", p->name, COMETLOG_VERSION);
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static enum rc
serve_socket(const struct program *p, const struct options *o, int *status,
    struct err *e)
{
	struct listener l = {.fd = -1};
	struct serving serving = {p, o, STDIN_FILENO};
	struct supervisor s = {.workers = (unsigned)o->workers,
	    .run_dir = o->run_dir,
	    .stop_wait_ms = p->stop_wait_ms + o->busy_wait_ms,
	    .worker = run_worker,
	    .arg = &serving};
	enum rc rc = RC_OK;

	if (o->socket != NULL) {
		if ((rc = listen_open(&l, o->socket, o->socket_mode, e)))
			return rc;
		serving.fd = l.fd;
	}
	if (o->workers > 0)
		rc = supervise(&s, e);
	else
		*status = p->serve(o, serving.fd);
	if (o->socket != NULL)
		listen_close(&l);
	return rc;
}

int
program_main(const struct program *p, int argc, char **argv)
{
	struct options o;
	struct err e;
	int status = EXIT_SUCCESS;
	enum rc rc;

	mallopt(M_ARENA_MAX, 2); /* memory per held answer counts,
	                            not malloc's speed */
	rc = settings_load(&o, argc, argv, environ, &e);
	if (rc == RC_OK && o.ask != OPTIONS_RUN) {
		status = tell(p, &o);
		options_fini(&o);
		return status;
	}
	if (rc == RC_OK)
		rc = diag_open(
		    p->name, (enum diag_level)o.diag, o.diag_file, &e);
	if (rc == RC_OK &&
	    (o.socket != NULL || listen_is_listening(STDIN_FILENO)))
		rc = serve_socket(p, &o, &status, &e);
	else if (rc == RC_OK)
		rc = p->serve_without(&o, &status, &e);
	if (rc != RC_OK) {
		fprintf(stderr, "%s: %s\n", p->name, e.text);
		if (p->refuse != NULL)
			p->refuse(&e);
		status = EXIT_FAILURE;
	}
	options_fini(&o);
	return status;
}

#include "prog/worker.h"

#include "base/diag.h"
#include "hub/tipkeeper.h"
#include "prog/cgi.h"
#include "prog/process.h"
#include "transport/acceptor.h"
#include "transport/arrivals.h"
#include "transport/probe.h"
#include "transport/responder.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Requests that are on their way in when a stop is asked for, and answers on
   their way out, get so long. */
#define STOP_MS 2500

/* What wakes an acceptor from accept(2); does nothing else. */
#define NUDGE SIGUSR2

/* The reason holds names of files: nothing for strangers. */
#define CANNOT_SERVE \
	"Status: 503 Service Unavailable\r\nRetry-After: 5\r\n" \
	"Content-Type: application/problem+json\r\n" \
	"Cache-Control: no-store\r\n\r\n" \
	"{\"title\":\"Service Unavailable\",\"status\":503,\"detail\":" \
	"\"The message log can't be used now; the server's error log says " \
	"why. " \
	"Often its folder is not writable.\"}\n"

struct worker {
	struct process process; /* first */
	struct tipkeeper *tip;
	struct acceptors *acceptors;
};

static void
on_idle(void *arg, struct outlet o)
{
	struct server *s = arg;

	arrivals_idle(s->arrivals, o);
}

static bool
is_over(struct process *p)
{
	return server_is_quiet(&p->server) &&
	    arrivals_are_idle(p->server.arrivals);
}

/* Held answers end properly; what is on its way out may finish. */
static void
stop(struct process *p)
{
	struct worker *w = (struct worker *)p;

	acceptors_stop(w->acceptors);
	w->acceptors = NULL;
	process_run_tasks(p); /* what the acceptors handed over last */
	arrivals_end(p->server.arrivals, false);
	probe_end_all(&p->server);
	hub_drain(p->server.hub);
	process_end_within(p, STOP_MS);
}

static void
on_nudge(int signo)
{
	(void)signo;
}

static enum rc
build(struct worker *w, const struct options *o, struct err *e)
{
	struct sigaction nudge = {.sa_handler = on_nudge};
	struct process *p = &w->process;
	enum rc rc;

	sigaction(NUDGE, &nudge, NULL);
	p->stop = stop;
	p->is_over = is_over;
	if ((rc = process_open(p, o, on_idle, e)) != RC_OK)
		return rc;
	return arrivals_new(&p->server.arrivals, &p->server, e);
}

static void
take_down(struct worker *w)
{
	acceptors_stop(w->acceptors);
	tipkeeper_free(w->tip);
	probe_end_all(&w->process.server);
	arrivals_end(w->process.server.arrivals, true);
	process_close(&w->process);
}

int
worker_run(const struct options *o, int fd)
{
	struct worker *w = calloc(1, sizeof *w);
	struct err e = {RC_NOMEM, "out of memory"};
	struct process *p = (struct process *)w;
	enum rc rc = RC_NOMEM;

	if (w != NULL)
		rc = build(w, o, &e);
	if (rc == RC_OK && o->tip_file != NULL)
		rc = tipkeeper_new(&w->tip, &p->loop, o, p->server.store, &e);
	if (rc == RC_OK)
		rc = acceptors_start(&w->acceptors, &p->server, fd,
		    (unsigned)o->acceptors, NUDGE, &e);
	process_set_policy(SCHED_OTHER);
	if (rc != RC_OK) {
		diag(DIAG_ERROR, "%s", e.text);
		if (fd == STDIN_FILENO) /* whoever asks is told,
		                           not made to wait */
			responder_apologize(fd, CANNOT_SERVE);
	} else {
		uv_run(&p->loop, UV_RUN_DEFAULT);
	}
	if (w != NULL)
		take_down(w);
	free(w);
	return rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
worker_run_cgi(const struct options *o)
{
	struct worker *w = calloc(1, sizeof *w);
	struct err e = {RC_NOMEM, "out of memory"};
	struct process *p = (struct process *)w;
	enum rc rc = RC_NOMEM;

	if (w != NULL)
		rc = build(w, o, &e);
	if (rc == RC_OK) {
		p->server.is_single = true;
		store_retain_at_close(p->server.store);
		cgi_serve(&p->server);
		process_end_within(p, UINT64_MAX / 2);
		uv_run(&p->loop, UV_RUN_DEFAULT);
		if (o->tip_file != NULL)
			tipkeeper_write_once(o, p->server.store);
	} else {
		diag(DIAG_ERROR, "%s", e.text);
		fputs(CANNOT_SERVE, stdout);
	}
	if (w != NULL)
		take_down(w);
	free(w);
	return EXIT_SUCCESS;
}

#include "prog/wsd.h"

#include "base/diag.h"
#include "prog/process.h"
#include "transport/wsaccept.h"

#include <sched.h>
#include <stdlib.h>

/* What is on its way out when all have been told to leave gets so long. */
#define STOP_MS 1000
#define LEAVE_TICK_MS 10

struct wsd {
	struct process process; /* first */
	struct ws ws;
	struct wsaccept *accept;
	uv_timer_t leave; /* closes some at each tick */
	size_t at_once;
};

static void
on_idle(void *arg, struct outlet o)
{
	(void)arg; /* no web server asks for connections back here */
	outlet_close(&o);
}

static bool
is_over(struct process *p)
{
	struct wsd *d = (struct wsd *)p;

	return d->ws.count == 0 && wsaccept_count(d->accept) == 0 &&
	    server_is_quiet(&p->server);
}

/* So that clients don't all come back at the same moment. */
static void
on_leave(uv_timer_t *timer)
{
	struct wsd *d = timer->data;
	struct ws_connection *c, *next;
	size_t n = 0;

	for (c = d->ws.list; c != NULL && n < d->at_once; c = next) {
		next = c->next;
		if (c->last != NULL)
			continue; /* it is leaving */
		ws_leave(c, WS_GOING_AWAY, "the server stops; come back");
		n++;
	}
	if (d->ws.list == NULL)
		uv_timer_stop(timer);
}

static void
stop(struct process *p)
{
	struct wsd *d = (struct wsd *)p;
	uint64_t spread_ms = p->server.options->ws_stop_spread_ms;

	d->ws.is_stopping = true;
	wsaccept_stop(d->accept);
	if (spread_ms > d->ws.count)
		spread_ms = d->ws.count;
	d->at_once = d->ws.count * LEAVE_TICK_MS / (spread_ms + 1) + 1;
	uv_timer_start(&d->leave, on_leave, 0, LEAVE_TICK_MS);
	process_end_within(p, spread_ms + STOP_MS);
}

static enum rc
build(struct wsd *d, const struct options *o, int fd, struct err *e)
{
	struct process *p = &d->process;
	enum rc rc;

	p->stop = stop;
	p->is_over = is_over;
	if ((rc = process_open(p, o, on_idle, e)) != RC_OK ||
	    (rc = ws_init(&d->ws, &p->server, e)) != RC_OK)
		return rc;
	uv_timer_init(&p->loop, &d->leave);
	d->leave.data = d;
	return wsaccept_new(&d->accept, &d->ws, fd, e);
}

int
wsd_run(const struct options *o, int fd)
{
	struct wsd *d = calloc(1, sizeof *d);
	struct err e = {RC_NOMEM, "out of memory"};
	enum rc rc = RC_NOMEM;

	if (d != NULL)
		rc = build(d, o, fd, &e);
	process_set_policy(SCHED_OTHER);
	if (rc != RC_OK)
		diag(DIAG_ERROR, "%s", e.text);
	else
		uv_run(&d->process.loop, UV_RUN_DEFAULT);
	if (d != NULL) {
		wsaccept_stop(d->accept);
		process_close(&d->process);
		wsaccept_free(d->accept);
		ws_fini(&d->ws);
	}
	free(d);
	return rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

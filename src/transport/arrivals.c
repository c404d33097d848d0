#include "transport/arrivals.h"

#include "base/clock.h"
#include "base/diag.h"
#include "transport/responder.h"
#include "transport/router.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A kept connection without a request is the web server's to close; it need
   not be kept for longer than this. */
#define IDLE_MS 120000

struct arriving {
	uv_poll_t poll; /* first: what libuv gives back */
	struct arriving *next, **link;
	struct arrivals *all;
	int fd;
	struct fcgi_gate gate;
	uint64_t due_ms;
	bool is_idle; /* kept, without a request so far */
};

struct arrivals {
	struct server *server;
	uv_timer_t sweep; /* runs while something is arriving */
	struct arriving *list;
	size_t count;
};

enum rc
arrivals_new(struct arrivals **out, struct server *s, struct err *e)
{
	struct arrivals *a = calloc(1, sizeof *a);

	*out = a;
	if (a == NULL)
		return err_set(e, RC_NOMEM, "no memory for arrivals");
	a->server = s;
	uv_timer_init(s->loop, &a->sweep);
	a->sweep.data = a;
	return RC_OK;
}

static void
freed(uv_handle_t *h)
{
	struct arriving *g = (struct arriving *)h;

	fcgi_gate_fini(&g->gate);
	free(g);
}

/* Takes g out; its descriptor is the caller's. */
static int
retire(struct arriving *g)
{
	struct arrivals *a = g->all;

	uv_poll_stop(&g->poll);
	uv_close((uv_handle_t *)&g->poll, freed);
	*g->link = g->next;
	if (g->next != NULL)
		g->next->link = g->link;
	if (--a->count == 0)
		uv_timer_stop(&a->sweep);
	return g->fd;
}

static void
drop(struct arriving *g)
{
	struct outlet o = {.fd = retire(g)};

	outlet_close(&o);
}

/* A whole request: parsing and answering may read the log,
   so not on the loop. */
struct whole {
	uv_work_t work; /* first */
	struct server *server;
	int fd;
	struct fcgi_gate gate;
};

static void
serve_whole(uv_work_t *work)
{
	struct whole *w = (struct whole *)work;
	struct responder *r;
	struct err e;

	if (responder_new(&r, &e) != RC_OK) {
		struct outlet o = {.fd = w->fd};

		diag(DIAG_WARN, "a request is dropped: %s", e.text);
		outlet_close(&o);
		return;
	}
	router_serve_fcgi(w->server, r, w->fd, &w->gate);
	responder_free(r);
}

static void
whole_served(uv_work_t *work, int status)
{
	struct whole *w = (struct whole *)work;

	(void)status;
	atomic_fetch_sub(&w->server->working, 1);
	fcgi_gate_fini(&w->gate);
	free(w);
}

static void
start_whole(struct arriving *g)
{
	struct whole *w = malloc(sizeof *w);

	if (w == NULL) {
		drop(g);
		return;
	}
	*w = (struct whole){.server = g->all->server, .fd = g->fd};
	w->gate = g->gate;
	fcgi_gate_init(&g->gate, 0, 0); /* its memory has moved */
	retire(g);
	atomic_fetch_add(&w->server->working, 1);
	uv_queue_work(w->server->loop, &w->work, serve_whole, whole_served);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct arriving *g = (struct arriving *)poll;
	char bytes[16384];
	size_t used = 0;
	ssize_t n;
	struct err e = {RC_GONE, "aborted"};

	(void)events;
	n = status < 0 ? 0 : recv(g->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || fcgi_gate_feed(&g->gate, bytes, (size_t)n, &used, &e) ||
	    fcgi_is_aborted(bytes + used, (size_t)n - used)) {
		if (n > 0)
			diag(DIAG_DEBUG, "a request is dropped: %s", e.text);
		atomic_fetch_add_explicit(&g->all->server->count.dropped,
		    g->gate.begin_n > 0, memory_order_relaxed);
		drop(g);
		return;
	}
	if (g->is_idle && g->gate.begin_n > 0) {
		g->is_idle = false;
		g->due_ms =
		    clock_mono_ms() + g->all->server->options->request_wait_ms;
	}
	if (g->gate.stage == FCGI_AT_END)
		start_whole(g);
}

static void
on_sweep(uv_timer_t *timer)
{
	struct arrivals *a = timer->data;
	struct arriving *g, *next;
	uint64_t now = clock_mono_ms();

	for (g = a->list; g != NULL; g = next) {
		next = g->next;
		if (g->due_ms <= now)
			drop(g);
	}
}

static void
add(struct arrivals *a, int fd, const struct fcgi_gate *gate, uint64_t wait_ms,
    bool is_idle)
{
	struct arriving *g = NULL;
	struct outlet o = {.fd = fd};
	struct fcgi_gate unused = *gate;

	if (a->count < a->server->options->max_arriving)
		g = calloc(1, sizeof *g);
	if (g == NULL || uv_poll_init(a->server->loop, &g->poll, fd) != 0) {
		diag(DIAG_WARN,
		    "a request is dropped: %zu are arriving "
		    "(max-arriving)",
		    a->count);
		free(g);
		fcgi_gate_fini(&unused);
		outlet_close(&o);
		return;
	}
	g->all = a;
	g->fd = fd;
	g->gate = *gate;
	g->due_ms = clock_mono_ms() + wait_ms;
	g->is_idle = is_idle;
	g->next = a->list;
	g->link = &a->list;
	if (g->next != NULL)
		g->next->link = &g->next;
	a->list = g;
	if (a->count++ == 0)
		uv_timer_start(&a->sweep, on_sweep, 100, 100);
	uv_poll_start(&g->poll, UV_READABLE, on_readable);
}

void
arrivals_add(struct arrivals *a, int fd, const struct fcgi_gate *gate)
{
	add(a, fd, gate, a->server->options->request_wait_ms, false);
}

void
arrivals_idle(struct arrivals *a, struct outlet o)
{
	const struct options *opt = a->server->options;
	struct fcgi_gate gate;

	if (atomic_load(&a->server->is_ending)) {
		outlet_close(&o);
		return;
	}
	fcgi_gate_init(&gate, opt->params_bytes, opt->body_bytes);
	add(a, o.fd, &gate, IDLE_MS, true);
}

bool
arrivals_are_idle(const struct arrivals *a)
{
	for (const struct arriving *g = a->list; g != NULL; g = g->next)
		if (!g->is_idle)
			return false;
	return true;
}

struct arrive {
	struct task task; /* first */
	int fd;
	struct fcgi_gate gate;
};

static void
run_arrive(struct server *s, struct task *t)
{
	struct arrive *v = (struct arrive *)t;

	arrivals_add(s->arrivals, v->fd, &v->gate);
	free(v);
}

void
arrivals_post(struct server *s, int fd, const struct fcgi_gate *gate)
{
	struct arrive *v = malloc(sizeof *v);
	struct outlet o = {.fd = fd};
	struct fcgi_gate unused = *gate;

	if (v == NULL) {
		fcgi_gate_fini(&unused);
		outlet_close(&o);
		return;
	}
	*v = (struct arrive){{NULL, run_arrive}, fd, *gate};
	server_post(s, &v->task);
}

static bool
has_bytes(const struct arriving *g)
{
	char c;

	return recv(g->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void
arrivals_end(struct arrivals *a, bool is_now)
{
	struct arriving *g, *next;

	for (g = a == NULL ? NULL : a->list; g != NULL; g = next) {
		next = g->next;
		if (is_now || (g->is_idle && !has_bytes(g)))
			drop(g);
	}
}

static void
all_freed(uv_handle_t *h)
{
	free(h->data);
}

void
arrivals_free(struct arrivals *a)
{
	if (a == NULL)
		return;
	while (a->list != NULL)
		drop(a->list);
	uv_close((uv_handle_t *)&a->sweep, all_freed);
}

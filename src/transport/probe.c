#include "transport/probe.h"

#include "wire/fcgi.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct probe {
	struct task task; /* first */
	struct probe *next, **link;
	struct server *server;
	struct outlet outlet;
	uint32_t place; /* of the budget */
	struct probe_plan plan;
	uint32_t step;         /* done so far */
	struct buf out;        /* framed, not sent yet */
	struct fcgi_record in; /* what the web server says meanwhile */
	uv_poll_t poll;
	uv_timer_t timer;
	int closing; /* handles still open */
};

uint32_t
probe_count(struct server *s)
{
	return atomic_load(&s->probes.count);
}

static void
unclaim(struct server *s, uint32_t place)
{
	atomic_fetch_sub(&s->probes.count, 1);
	hub_unclaim(s->hub, place);
}

/* Probes don't give way when their turn is over, so they get places only while
   half of the site's are free: readers keep the others. */
static bool
is_crowded(struct server *s)
{
	uint32_t places, taken;

	hub_budget_figures(s->hub, &places, &taken);
	return places > 0 && taken > (places + 1) / 2;
}

enum rc
probe_claim(
    struct server *s, struct slice client, uint32_t *place, struct err *e)
{
	uint32_t most = s->options->doctor_probes;

	if (atomic_fetch_add(&s->probes.count, 1) >= most) {
		atomic_fetch_sub(&s->probes.count, 1);
		return err_set(e, RC_BUSY,
		    "%u probes are under way, as many as "
		    "the option doctor-probes allows. Try again when they are "
		    "over.",
		    most);
	}
	if (hub_claim(s->hub, client, place)) {
		if (!is_crowded(s))
			return RC_OK;
		hub_unclaim(s->hub, *place);
	}
	atomic_fetch_sub(&s->probes.count, 1);
	return err_set(e, RC_BUSY,
	    "The places for held answers are taken now, "
	    "or half of them, which is all that probes get (options "
	    "site-requests, client-held, max-held).");
}

static void
closed(uv_handle_t *h)
{
	struct probe *p = h->data;

	if (--p->closing > 0)
		return;
	buf_fini(&p->out);
	free(p);
}

/* Takes p out of everything; its outlet is the caller's. */
static void
retire(struct probe *p)
{
	*p->link = p->next;
	if (p->next != NULL)
		p->next->link = p->link;
	uv_poll_stop(&p->poll);
	p->closing = 2;
	uv_close((uv_handle_t *)&p->poll, closed);
	uv_close((uv_handle_t *)&p->timer, closed);
	unclaim(p->server, p->place);
}

static void
drop(struct probe *p)
{
	retire(p);
	outlet_close(&p->outlet);
}

/* What is left to send, and the end, leave through the outbox. */
static void
finish(struct probe *p)
{
	char *bytes;
	size_t n;

	outlet_add_end(&p->outlet, &p->out);
	if (p->out.rc != RC_OK) {
		drop(p);
		return;
	}
	retire(p);
	bytes = buf_take(&p->out, &n);
	outbox_send(p->server->box, p->outlet, bytes, n, 0);
}

static void on_event(uv_poll_t *poll, int status, int events);

/* What tells of the peer's leaving, as in hub/reader.c. */
static int
watch_for_end(const struct outlet *o)
{
	if (o->is_one_way)
		return o->is_socket ? UV_PRIORITIZED : UV_DISCONNECT;
	return UV_READABLE;
}

static void
watch(struct probe *p)
{
	int events = watch_for_end(&p->outlet);
	bool is_waiting = p->out.n > 0 && !p->plan.is_silent;

	uv_poll_start(
	    &p->poll, events | (is_waiting ? UV_WRITABLE : 0), on_event);
}

/* Sends what the kernel takes; false: the peer is gone, and so is p. */
static bool
push(struct probe *p)
{
	struct iovec iov = {p->out.p, p->out.n};
	ssize_t sent = 0;

	if (p->out.n > 0 && !p->plan.is_silent)
		sent = outlet_send(&p->outlet, &iov, 1);
	if (sent < 0 || p->out.rc != RC_OK) {
		drop(p);
		return false;
	}
	buf_drop(&p->out, (size_t)sent);
	watch(p);
	return true;
}

/* Bytes on a held request: the server's abort, or its leaving. */
static bool
has_left(struct probe *p)
{
	char bytes[512];
	ssize_t n = recv(p->outlet.fd, bytes, sizeof bytes, MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	return n == 0 || fcgi_has_abort(&p->in, bytes, (size_t)n);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct probe *p = poll->data;

	if (status < 0 || (events & (UV_DISCONNECT | UV_PRIORITIZED)) ||
	    ((events & UV_READABLE) && has_left(p)))
		drop(p);
	else if (events & UV_WRITABLE)
		(void)push(p);
}

static void
add_line(struct probe *p)
{
	uint32_t ms = p->step * p->plan.every_ms;
	struct buf line;

	buf_init(&line, 0);
	if (ms % 1000 == 0)
		buf_printf(&line, "data: %u\n\n", ms / 1000);
	else
		buf_printf(
		    &line, "data: %u.%u\n\n", ms / 1000, ms % 1000 / 100);
	if (line.rc == RC_OK)
		outlet_add(&p->outlet, &p->out, buf_slice(&line));
	else
		p->out.rc = line.rc;
	buf_fini(&line);
}

static void
on_step(uv_timer_t *timer)
{
	struct probe *p = timer->data;

	p->step++;
	if (p->step < p->plan.steps && p->plan.is_silent)
		return;
	add_line(p);
	if (p->step < p->plan.steps)
		(void)push(p);
	else
		finish(p);
}

/* Half of it could be compressed away, and no more: as messages are. */
static void
add_filler(struct buf *b, uint32_t n)
{
	static const char digit[] = "0123456789abcdef";
	char *to = buf_room(b, n);
	uint32_t x = 2463534242u, i;

	if (to == NULL)
		return;
	for (i = 0; i < n; i++) {
		x ^= x << 13; /* xorshift: Marsaglia, 2003 */
		x ^= x >> 17;
		x ^= x << 5;
		to[i] = i == 0 ? ':' : digit[x & 15];
	}
	if (n > 0)
		to[n - 1] = '\n';
	b->n += n;
}

/* The head and the opening, framed for o; whether there was memory. */
static bool
compose(struct probe *p, struct slice head)
{
	struct buf content;
	bool is_whole;

	buf_init(&content, 0);
	buf_add_slice(&content, head);
	add_filler(&content, p->plan.opening_bytes);
	outlet_add(&p->outlet, &p->out, buf_slice(&content));
	is_whole = content.rc == RC_OK && p->out.rc == RC_OK;
	buf_fini(&content);
	return is_whole;
}

static void
run_start(struct server *s, struct task *t)
{
	struct probe *p = (struct probe *)t;

	if (s->probes.is_over ||
	    uv_poll_init(s->loop, &p->poll, p->outlet.fd) != 0) {
		outlet_close(&p->outlet);
		unclaim(s, p->place);
		buf_fini(&p->out);
		free(p);
		return;
	}
	uv_timer_init(s->loop, &p->timer);
	p->poll.data = p->timer.data = p;
	p->next = s->probes.list;
	p->link = &s->probes.list;
	if (p->next != NULL)
		p->next->link = &p->next;
	s->probes.list = p;
	if (push(p))
		uv_timer_start(
		    &p->timer, on_step, p->plan.every_ms, p->plan.every_ms);
}

void
probe_hold(struct server *s, struct outlet o, uint32_t place, struct slice head,
    const struct probe_plan *plan)
{
	struct probe *p = calloc(1, sizeof *p);

	if (p != NULL) {
		p->task.run = run_start;
		p->server = s;
		p->outlet = o;
		p->place = place;
		p->plan = *plan;
		buf_init(&p->out, 0);
		if (compose(p, head)) {
			server_post(s, &p->task);
			return;
		}
		buf_fini(&p->out);
		free(p);
	}
	outlet_close(&o);
	unclaim(s, place);
}

void
probe_end_all(struct server *s)
{
	s->probes.is_over = true;
	while (s->probes.list != NULL)
		finish(s->probes.list);
}

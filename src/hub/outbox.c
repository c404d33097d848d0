#include "hub/outbox.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Who is told goodbye and doesn't go holds a descriptor: so many may. */
#define LINGER_MAX 1024

struct leaving {
	uv_poll_t poll; /* first: what libuv gives back */
	struct leaving *next, **link;
	struct outbox *box;
	struct outlet outlet;
	char *bytes;
	size_t n, sent;
	uint64_t due_ms;
	bool is_lingering; /* then the peer ends it */
};

struct outbox {
	uv_loop_t *loop;
	uv_timer_t sweep; /* runs while something is under way */
	struct leaving *list;
	size_t count, lingering;
	uint64_t wait_ms;
	void (*idle)(void *arg, struct outlet o);
	void *arg;
};

enum rc
outbox_new(struct outbox **out, uv_loop_t *loop, uint64_t wait_ms,
    void (*idle)(void *arg, struct outlet o), void *arg, struct err *e)
{
	struct outbox *b = calloc(1, sizeof *b);

	*out = b;
	if (b == NULL)
		return err_set(e, RC_NOMEM, "no memory for the outbox");
	b->loop = loop;
	b->wait_ms = wait_ms;
	b->idle = idle;
	b->arg = arg;
	uv_timer_init(loop, &b->sweep);
	b->sweep.data = b;
	return RC_OK;
}

void
outbox_done(struct outbox *b, struct outlet o)
{
	if (o.is_keep)
		b->idle(b->arg, o);
	else
		outlet_close(&o);
}

static void
freed(uv_handle_t *h)
{
	struct leaving *l = (struct leaving *)h;

	free(l->bytes);
	free(l);
}

/* Takes l out and hands its outlet on, or closes it. */
static void
finish(struct leaving *l, bool is_sent)
{
	struct outbox *b = l->box;

	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, freed);
	*l->link = l->next;
	if (l->next != NULL)
		l->next->link = l->link;
	if (l->is_lingering)
		b->lingering--;
	if (--b->count == 0)
		uv_timer_stop(&b->sweep);
	if (is_sent)
		outbox_done(b, l->outlet);
	else
		outlet_close(&l->outlet);
}

/* All is out: no more comes from here; the peer's end is awaited, whatever it
   still says is dropped. */
static void
readable(uv_poll_t *poll, int status, int events)
{
	struct leaving *l = (struct leaving *)poll;
	char bytes[4096];
	ssize_t n = -1;

	(void)events;
	if (status == 0)
		n = recv(l->outlet.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n == 0 ||
	    (n < 0 && (status < 0 || (errno != EAGAIN && errno != EINTR))))
		finish(l, false);
}

static void
writable(uv_poll_t *poll, int status, int events)
{
	struct leaving *l = (struct leaving *)poll;
	struct iovec iov = {l->bytes + l->sent, l->n - l->sent};
	ssize_t sent;

	(void)events;
	sent = status < 0 ? -1 : outlet_send(&l->outlet, &iov, 1);
	if (sent > 0)
		l->sent += (size_t)sent;
	if (sent >= 0 && l->sent == l->n && l->is_lingering) {
		shutdown(l->outlet.fd, SHUT_WR);
		uv_poll_start(poll, UV_READABLE, readable);
	} else if (sent < 0 || l->sent == l->n) {
		finish(l, sent >= 0);
	}
}

static void
sweep(uv_timer_t *timer)
{
	struct outbox *b = timer->data;
	struct leaving *l, *next;
	uint64_t now = clock_mono_ms();

	for (l = b->list; l != NULL; l = next) {
		next = l->next;
		if (l->due_ms <= now)
			finish(l, false);
	}
}

/* Takes o and bytes; NULL: no memory, and both are gone. */
static struct leaving *
add(struct outbox *b, struct outlet o, char *bytes, size_t n, size_t from)
{
	struct leaving *l = calloc(1, sizeof *l);

	if (l == NULL || uv_poll_init(b->loop, &l->poll, o.fd) != 0) {
		free(l);
		free(bytes);
		outlet_close(&o);
		return NULL;
	}
	l->box = b;
	l->outlet = o;
	l->bytes = bytes;
	l->n = n;
	l->sent = from;
	l->due_ms = clock_mono_ms() + b->wait_ms;
	l->next = b->list;
	l->link = &b->list;
	if (l->next != NULL)
		l->next->link = &l->next;
	b->list = l;
	if (b->count++ == 0)
		uv_timer_start(&b->sweep, sweep, 250, 250);
	uv_poll_start(&l->poll, UV_WRITABLE, writable);
	return l;
}

void
outbox_send(
    struct outbox *b, struct outlet o, char *bytes, size_t n, size_t from)
{
	add(b, o, bytes, n, from);
}

void
outbox_linger(
    struct outbox *b, struct outlet o, struct slice last, uint64_t wait_ms)
{
	char *bytes = malloc(last.n + 1);
	struct iovec iov = {(char *)last.p, last.n};
	struct leaving *l;

	if (bytes == NULL || b->lingering == LINGER_MAX) {
		if (last.n > 0)
			(void)!outlet_send(&o, &iov, 1);
		free(bytes);
		outlet_close(&o);
		return;
	}
	if (last.n > 0)
		memcpy(bytes, last.p, last.n);
	l = add(b, o, bytes, last.n, 0);
	if (l == NULL)
		return;
	l->is_lingering = true;
	b->lingering++;
	l->due_ms = clock_mono_ms() + wait_ms;
}

size_t
outbox_count(const struct outbox *b)
{
	return b->count;
}

static void
box_freed(uv_handle_t *h)
{
	free(h->data);
}

void
outbox_free(struct outbox *b)
{
	if (b == NULL)
		return;
	while (b->list != NULL)
		finish(b->list, false);
	uv_close((uv_handle_t *)&b->sweep, box_freed);
}

#include "transport/wsopening.h"

#include "base/diag.h"
#include "transport/bayeux.h"
#include "transport/reading.h"
#include "wire/wsopen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEVER UINT64_MAX

struct opening {
	uv_poll_t poll; /* first: what libuv gives back */
	uv_work_t work;
	struct openings *all;
	struct opening *next, **link;
	uint64_t due_ms; /* when its request must be
	                    whole; NEVER: it is */
	int fd;
	struct buf head;   /* what came so far */
	size_t head_bytes; /* 0: not whole yet */
	struct wsopen asked;
	struct reading rd;
	struct reading_page page;
	enum rc rc;
	struct err err;
	bool is_echo, is_bayeux;
	uint32_t place; /* of the budget, once claimed */
};

/* ---- the end of a handshake ---- */

static void
opening_freed(uv_handle_t *h)
{
	struct opening *o = (struct opening *)h;

	reading_fini(&o->rd);
	buf_fini(&o->head);
	free(o);
}

/* Takes o out; its descriptor is the caller's then.  It lives until
   the loop's next turn. */
static void
opening_end(struct opening *o)
{
	*o->link = o->next;
	if (o->next != NULL)
		o->next->link = o->link;
	o->all->count--;
	uv_poll_stop(&o->poll);
	uv_close((uv_handle_t *)&o->poll, opening_freed);
	o->all->fewer(o->all);
}

static void
drop(struct opening *o)
{
	opening_end(o);
	close(o->fd);
}

/* Says these bytes, then ends the connection once the client has. */
static void
say_and_close(struct server *s, int fd, struct buf *b)
{
	struct outlet outlet = {.fd = fd, .is_socket = true};

	if (b->rc == RC_OK)
		outbox_linger(
		    s->box, outlet, buf_slice(b), s->options->ws_close_wait_ms);
	else
		outlet_close(&outlet);
	buf_fini(b);
}

/* The same for a handshake. */
static void
say_and_end(struct opening *o, struct buf *b)
{
	int fd = o->fd;

	opening_end(o);
	say_and_close(o->all->ws->server, fd, b);
}

static void
add_refusal(struct server *s, struct buf *b, int status, const char *detail)
{
	atomic_fetch_add_explicit(&s->count.refused, 1, memory_order_relaxed);
	buf_init(b, 0);
	wsopen_add_refusal(b, status, slice_of(detail), ws_retry_s(status));
}

static void
refuse(struct opening *o, int status, const char *detail)
{
	struct buf b;

	add_refusal(o->all->ws->server, &b, status, detail);
	say_and_end(o, &b);
}

static void
refuse_rc(struct opening *o, enum rc rc, const char *why)
{
	char room[ERR_TEXT_BYTES];

	refuse(o, rc_http_status(rc), rc_told(rc, why, room));
}

/* The handshake is over, and yet there is no connection. */
static void
refuse_late(struct server *s, int fd, const struct err *e)
{
	char room[ERR_TEXT_BYTES];
	struct buf b;

	diag(DIAG_WARN, "a WebSocket couldn't be opened: %s", e->text);
	add_refusal(
	    s, &b, rc_http_status(e->rc), rc_told(e->rc, e->text, room));
	say_and_close(s, fd, &b);
}

/* The handshake is fine, but there is no place: browsers' scripts can see a
   Close, and not an HTTP status. */
static void
turn_away(struct opening *o)
{
	struct buf b;

	buf_init(&b, 0);
	wsopen_add_accept(&b, &o->asked);
	wsframe_add_close(&b, WS_TRY_AGAIN,
	    SLICE("no place is free; "
	          "come back later"));
	say_and_end(o, &b);
}

/* ---- what was asked for ---- */

static bool
ends_with(struct slice path, struct slice tail)
{
	return path.n >= tail.n &&
	    slice_is(slice_after(path, path.n - tail.n), tail);
}

/* Is it a segment of path, such as "/bayeux" of "/comet/bayeux/connect"? */
static bool
has_segment(struct slice path, struct slice segment)
{
	const char *at = memmem(path.p, path.n, segment.p, segment.n);
	size_t end;

	if (at == NULL)
		return false;
	end = (size_t)(at - path.p) + segment.n;
	return end == path.n || path.p[end] == '/';
}

static void
address_text(int fd, char *to, size_t n)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof a;

	*to = 0;
	if (getpeername(fd, (struct sockaddr *)&a, &len) != 0)
		return;
	if (a.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, to,
		    (socklen_t)n);
	else if (a.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, to,
		    (socklen_t)n);
}

/* The address that publish-rate and client-held count by: the proxy's
   word, or the peer's. */
static void
client_of(const struct opening *o, char *to, size_t n)
{
	struct slice said = o->asked.client;

	if (said.p == NULL || said.n >= n) {
		address_text(o->fd, to, n);
		return;
	}
	memcpy(to, said.p, said.n);
	to[said.n] = 0;
}

static bool
claim(struct opening *o)
{
	char client[INET6_ADDRSTRLEN + 1];

	client_of(o, client, sizeof client);
	return hub_claim(o->all->ws->server->hub, slice_of(client), &o->place);
}

/* Makes a connection of it. */
static void
hand_over(struct opening *o)
{
	struct ws *w = o->all->ws;
	bool has_start = o->rd.what.n > 0 && o->rd.from != READING_NOW;
	struct ws_start start = {.fd = o->fd,
	    .is_echo = o->is_echo,
	    .has_deflate = o->asked.has_deflate,
	    .window_bits = o->asked.window_bits,
	    .is_now = !has_start};
	struct slice all = buf_slice(&o->head);
	char client[INET6_ADDRSTRLEN + 1];
	struct buf answer;
	struct err e = {RC_NOMEM, "out of memory"};
	enum rc rc;

	if (has_start) {
		start.after = o->page.after;
		start.has_gap = o->page.is_gap;
		start.epoch = o->page.page.tip.epoch;
		start.gap_known = o->rd.from != READING_CURSOR
		    ? o->page.page.tip.seq
		    : o->page.is_gap ? o->page.page.kept_after
		                     : 0;
	}
	client_of(o, client, sizeof client);
	start.client = client;
	start.place = o->place;
	start.is_bayeux = o->is_bayeux;
	start.cookie = bayeux_cookie(o->asked.cookie);
	start.early = slice_after(all, o->head_bytes);
	start.what = o->rd.what;
	o->rd.what = (struct pattern_set){0};
	buf_init(&answer, 0);
	wsopen_add_accept(&answer, &o->asked);
	start.head = buf_slice(&answer);
	opening_end(o);
	rc = answer.rc;
	if (rc == RC_OK) {
		rc = ws_start(w, &start, &e);
	} else {
		pattern_set_fini(&start.what);
		hub_unclaim(w->server->hub, o->place);
	}
	if (rc != RC_OK && rc != RC_GONE)
		refuse_late(w->server, start.fd, &e);
	buf_fini(&answer);
}

/* On a thread of the pool. */
static void
look_up(uv_work_t *work)
{
	struct opening *o =
	    (struct opening *)((char *)work - offsetof(struct opening, work));

	o->rc = reading_start(&o->rd, o->all->ws->server, &o->page, &o->err);
}

static void
looked_up(uv_work_t *work, int status)
{
	struct opening *o =
	    (struct opening *)((char *)work - offsetof(struct opening, work));
	struct server *s = o->all->ws->server;

	(void)status;
	atomic_fetch_sub(&s->working, 1);
	if (o->rc == RC_OK) {
		hand_over(o);
		return;
	}
	hub_unclaim(s->hub, o->place);
	refuse_rc(o, o->rc, o->err.text);
}

/* channel=, since=, last= of the URL. */
static enum rc
parse_query(struct opening *o, struct err *e)
{
	struct request rq = {.body = NULL}; /* for its params */
	enum rc rc =
	    query_parse(o->asked.query, o->asked.query_n, &rq.params, e);

	if (rc != RC_OK || params_get(&rq.params, "channel").p == NULL)
		return rc;
	return reading_parse(
	    &o->rd, o->all->ws->server, &rq, READING_NOW, false, e);
}

/* False: it was refused. */
static bool
is_welcome(struct opening *o)
{
	bool is_cross;

	if (server_allows_origin(
	        o->all->ws->server, o->asked.origin, o->asked.host, &is_cross))
		return true;
	refuse(o, 403,
	    "Pages of another origin may not connect here. The "
	    "operator can allow theirs with the option allow-origin.");
	return false;
}

static void
open_bayeux(struct opening *o)
{
	if (!is_welcome(o))
		return;
	o->is_bayeux = true;
	o->asked.has_deflate = false; /* events are small, and
	                                 their bytes shared */
	if (claim(o))
		hand_over(o);
	else
		turn_away(o);
}

static void
open_subscribed(struct opening *o)
{
	struct server *s = o->all->ws->server;
	struct err e;
	enum rc rc;

	if (!is_welcome(o))
		return;
	if ((rc = parse_query(o, &e)) != RC_OK) {
		refuse_rc(o, rc, e.text);
		return;
	}
	if (!claim(o)) {
		atomic_fetch_add_explicit(
		    &s->count.degraded, 1, memory_order_relaxed);
		turn_away(o);
		return;
	}
	if (o->rd.what.n == 0 || o->rd.from == READING_NOW) {
		hand_over(o);
		return;
	}
	atomic_fetch_add(&s->working, 1);
	uv_queue_work(s->loop, &o->work, look_up, looked_up);
}

/* The whole request is there. */
static void
on_request(struct opening *o)
{
	struct server *s = o->all->ws->server;
	const char *echo = s->options->echo_path;
	struct err e;

	uv_poll_stop(&o->poll);
	o->due_ms = NEVER;
	atomic_fetch_add_explicit(&s->count.requests, 1, memory_order_relaxed);
	if (wsopen_parse(&o->asked, o->head.p, o->head_bytes,
	        s->options->ws_deflate == OPTIONS_ON, &e) != RC_OK) {
		refuse(o, o->asked.status, e.text);
	} else if (echo != NULL && slice_is(o->asked.path, slice_of(echo))) {
		o->is_echo = true;
		if (claim(o))
			hand_over(o);
		else
			turn_away(o);
	} else if (ends_with(o->asked.path, SLICE("/ws"))) {
		open_subscribed(o);
	} else if (has_segment(o->asked.path, SLICE("/bayeux"))) {
		open_bayeux(o);
	} else {
		refuse(o, 404,
		    "There is no WebSocket at this path. It is at "
		    "/ws below the base URL, such as /comet/ws.");
	}
}

static void
on_bytes(uv_poll_t *poll, int status, int events)
{
	struct opening *o = (struct opening *)poll;
	struct ws *w = o->all->ws;
	size_t most = w->server->options->head_bytes, seen = o->head.n;
	ssize_t n = -1;

	(void)events;
	if (status == 0)
		n = recv(o->fd, w->scratch, WS_READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && status == 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		buf_add(&o->head, w->scratch, (size_t)n);
	if (n <= 0 || o->head.rc != RC_OK) {
		drop(o);
		return;
	}
	o->head_bytes = wsopen_head_bytes(buf_slice(&o->head), seen);
	if (o->head_bytes > most || (o->head_bytes == 0 && o->head.n > most))
		refuse(o, 431,
		    "The request's head is too long (option "
		    "head-bytes). Shorten the query or the cookies.");
	else if (o->head_bytes > 0)
		on_request(o);
}

/* ---- all of them ---- */

void
openings_add(struct openings *all, int fd)
{
	struct server *s = all->ws->server;
	struct opening *o = calloc(1, sizeof *o);
	int on = 1;

	if (o == NULL || uv_poll_init(s->loop, &o->poll, fd) != 0) {
		diag(DIAG_WARN, "a connection is dropped: out of memory");
		free(o);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	o->all = all;
	o->fd = fd;
	buf_init(&o->head, 0);
	o->due_ms = uv_now(s->loop) + s->options->request_wait_ms;
	o->next = all->list;
	o->link = &all->list;
	if (o->next != NULL)
		o->next->link = &o->next;
	all->list = o;
	all->count++;
	uv_poll_start(&o->poll, UV_READABLE, on_bytes);
}

void
openings_sweep(struct openings *all)
{
	struct opening *o, *next;
	uint64_t now = uv_now(all->ws->server->loop);

	for (o = all->list; o != NULL; o = next) {
		next = o->next;
		if (o->due_ms > now)
			continue;
		if (o->head.n > 0) {
			o->due_ms = NEVER;
			refuse(o, 408, "The request did not arrive in time.");
		} else {
			drop(o);
		}
	}
}

/* Has the client said anything yet? */
static bool
has_begun(const struct opening *o)
{
	char c;

	return o->head.n > 0 || recv(o->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void
openings_stop(struct openings *all)
{
	struct opening *o, *next;

	for (o = all->list; o != NULL; o = next) {
		next = o->next;
		if (o->due_ms == NEVER)
			continue;
		if (has_begun(o))
			refuse(o, 503, "The server stops. Come back soon.");
		else
			drop(o);
	}
}

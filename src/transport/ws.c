#include "transport/ws.h"

#include "transport/bayeux.h"
#include "transport/bayeux_ws.h"
#include "transport/wsops.h"
#include "transport/wspublish.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A message that waits until the one before it is done with. */
struct ws_later {
	struct ws_later *next;
	size_t n;
	char data[];
};

static void on_readable(void *arg);
static void on_border(void *arg);
static void on_tick(void *arg);
static void on_gone(void *arg);
static bool on_text(void *arg, char *data, size_t n, bool is_binary);
static bool on_echo(void *arg, char *data, size_t n, bool is_binary);

enum rc
ws_init(struct ws *w, struct server *s, struct err *e)
{
	const struct options *o = s->options;
	uint64_t quiet_ms =
	    o->ws_ping_ms < o->ws_idle_ms ? o->ws_ping_ms : o->ws_idle_ms;

	*w = (struct ws){.server = s};
	w->client = (struct hub_client){.readable = on_readable,
	    .border = on_border,
	    .tick = on_tick,
	    .gone = on_gone,
	    .tick_ms = quiet_ms / 2};
	w->rules = (struct wsread_rules){
	    .message_bytes = o->ws_message_bytes, .message = on_text};
	w->echo_rules = (struct wsread_rules){
	    .message_bytes = o->echo_bytes, .message = on_echo};
	w->scratch = malloc(WS_READ_BYTES);
	if (w->scratch == NULL)
		return err_set(e, RC_NOMEM, "no memory for WebSockets");
	if (inflater_new(&w->rules.inflater, e) != RC_OK)
		return e->rc;
	w->echo_rules.inflater = w->rules.inflater;
	w->bayeux_client = w->client;
	w->bayeux_client.news = bayeux_ws_news;
	w->bayeux_client.over = bayeux_ws_over;
	return RC_OK;
}

void
ws_fini(struct ws *w)
{
	inflater_free(w->rules.inflater);
	free(w->scratch);
}

/* ---- lifetime ---- */

static void
connection_free(struct ws_connection *c)
{
	struct ws_later *l;

	wspublish_drop(c);
	wsops_free(c);
	while ((l = c->first) != NULL) {
		c->first = l->next;
		free(l);
	}
	wsread_free(c->read);
	free(c->client);
	free(c->last);
	free(c);
}

void
ws_hold(struct ws_connection *c)
{
	c->holds++;
}

void
ws_unhold(struct ws_connection *c)
{
	if (--c->holds == 0 && c->reader == NULL)
		connection_free(c);
}

/* The reader is no more. */
static void
detach(struct ws_connection *c)
{
	c->reader = NULL;
	bayeux_ws_leave(c);
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	c->ws->count--;
	if (c->holds == 0)
		connection_free(c);
}

static void
on_gone(void *arg)
{
	detach(arg);
}

/* The end, on a message border. */
static void
end_now(struct ws_connection *c, struct slice frames)
{
	struct server *s = c->ws->server;
	struct outlet o;

	if (hub_release(c->reader, &o))
		outbox_linger(s->box, o, frames, s->options->ws_close_wait_ms);
	else
		outlet_close(&o);
	detach(c);
}

/* Nothing is to go out before the Close? */
static bool
is_done(const struct ws_connection *c)
{
	bool is_idle =
	    c->first == NULL && c->lookup == NULL && c->exchange == NULL;

	return c->publishing == 0 && hub_is_flowing(c->reader) &&
	    (!c->is_closing || is_idle);
}

/* Ends the connection with these frames, the last of which is a Close: at once,
   or when its publishes are answered and all that was said is out. */
static void
end_with(struct ws_connection *c, struct slice frames)
{
	if (c->last != NULL)
		return; /* it is leaving */
	wspublish_flush(c);
	if (is_done(c)) {
		end_now(c, frames);
		return;
	}
	c->last = malloc(frames.n + 1);
	if (c->last == NULL) {
		end_now(c, SLICE(""));
		return;
	}
	if (frames.n > 0)
		memcpy(c->last, frames.p, frames.n);
	c->last_n = frames.n;
	hub_pause(c->reader, true);
	if (!hub_is_flowing(c->reader))
		hub_await_border(c->reader);
}

static void
end_with_status(struct ws_connection *c, uint16_t status, const char *reason)
{
	struct buf b;

	buf_init(&b, 0);
	wsframe_add_close(&b, status, slice_of(reason));
	end_with(c, b.rc == RC_OK ? buf_slice(&b) : SLICE(""));
	buf_fini(&b);
}

void
ws_flush(struct ws_connection *c)
{
	struct buf *out = c->out;

	if (out == NULL || out->n == 0 || c->reader == NULL)
		return;
	hub_say(c->reader, buf_slice(out));
	buf_clear(out);
}

void
ws_leave(struct ws_connection *c, uint16_t status, const char *reason)
{
	if (c->reader == NULL || c->last != NULL)
		return;
	ws_flush(c);
	if (c->reader != NULL)
		end_with_status(c, status, reason);
}

void
ws_say(struct ws_connection *c, struct buf *b)
{
	if (b->rc == RC_OK && c->out != NULL)
		buf_add_slice(c->out, buf_slice(b));
	else if (b->rc == RC_OK && c->reader != NULL)
		hub_say(c->reader, buf_slice(b));
	else if (c->reader != NULL)
		ws_leave(c, WS_INTERNAL_ERROR, "out of memory");
	buf_fini(b);
}

/* ---- what comes in ---- */

/* May the next operation be done now? */
static bool
is_free(const struct ws_connection *c)
{
	return c->reader != NULL && c->lookup == NULL && c->exchange == NULL &&
	    (c->last == NULL || c->is_closing) &&
	    c->publishing < c->ws->server->options->ws_pipeline &&
	    hub_is_flowing(c->reader);
}

static bool
put_off(struct ws_connection *c, const char *data, size_t n)
{
	struct ws_later *l;

	/* compressed, one read may bring a lot */
	if (c->later_bytes > 2 * c->ws->server->options->ws_message_bytes) {
		c->fault = WS_POLICY;
		return false;
	}
	if ((l = malloc(sizeof *l + n)) == NULL) {
		c->fault = WS_INTERNAL_ERROR;
		return false;
	}
	c->later_bytes += n;
	l->next = NULL;
	l->n = n;
	memcpy(l->data, data, n);
	*c->end = l;
	c->end = &l->next;
	return true;
}

static void
run(struct ws_connection *c, char *data, size_t n)
{
	if (c->is_bayeux)
		bayeux_ws_run(c, data, n);
	else
		wsops_run(c, data, n);
}

static bool
on_text(void *arg, char *data, size_t n, bool is_binary)
{
	struct ws_connection *c = arg;

	if (is_binary) {
		c->fault = WS_UNSUPPORTED;
		return false;
	}
	if (c->first != NULL || !is_free(c))
		return c->reader != NULL && put_off(c, data, n);
	run(c, data, n);
	return c->reader != NULL;
}

static bool
on_echo(void *arg, char *data, size_t n, bool is_binary)
{
	struct ws_connection *c = arg;
	struct slice text = {data, n};
	char head[WSFRAME_HEAD_MAX_BYTES];
	struct deflater *d;
	struct buf payload, b;
	struct err e;

	buf_init(&payload, 0);
	buf_init(&b, 0);
	if (c->has_deflate && deflater_new(&d, c->window_bits, &e) == RC_OK) {
		deflater_add(d, &payload, text);
		deflater_free(d);
		text = buf_slice(&payload);
	}
	buf_add(&b, head,
	    wsframe_put_head(
	        head, is_binary ? WS_BINARY : WS_TEXT, payload.n > 0, text.n));
	buf_add_slice(&b, text);
	if (payload.rc != RC_OK)
		b.rc = payload.rc;
	ws_say(c, &b);
	buf_fini(&payload);
	return c->reader != NULL;
}

/* After anything: more of what waits, and whether to read on. */
static void
go_on(struct ws_connection *c)
{
	struct ws_later *l;

	while (c->first != NULL && is_free(c)) {
		l = c->first;
		c->first = l->next;
		if (c->first == NULL)
			c->end = &c->first;
		c->later_bytes -= l->n;
		run(c, l->data, l->n);
		free(l);
	}
	if (c->reader != NULL)
		wspublish_flush(c);
	if (c->reader == NULL)
		return;
	if (c->last != NULL && is_done(c)) {
		end_now(c, (struct slice){c->last, c->last_n});
		return;
	}
	if (!hub_is_flowing(c->reader))
		hub_await_border(c->reader);
	hub_pause(
	    c->reader, c->last != NULL || c->first != NULL || !is_free(c));
}

void
ws_proceed(struct ws_connection *c)
{
	ws_hold(c);
	if (c->lookup != NULL && c->reader != NULL && hub_is_flowing(c->reader))
		wsops_finish(c);
	if (c->wait != NULL && c->reader != NULL && hub_is_flowing(c->reader))
		bayeux_wait_look(c->wait);
	if (c->reader != NULL)
		go_on(c);
	ws_unhold(c);
}

static void
on_border(void *arg)
{
	ws_proceed(arg);
}

static const char *
fault_text(uint16_t fault)
{
	if (fault == WS_UNSUPPORTED)
		return "text frames with JSON are understood here, binary ones "
		       "are not";
	return fault == WS_POLICY ? "too much at once; read the answers"
	                          : "out of memory";
}

/* What became of the bytes; what they are answered with is in out. */
static void
after_bytes(struct ws_connection *c, enum wsread_result result, struct buf *out)
{
	if (out->rc != RC_OK) {
		ws_leave(c, WS_INTERNAL_ERROR, "out of memory");
	} else if (result == WSREAD_CLOSED) {
		c->is_closing = true;
		end_with(c, buf_slice(out));
	} else if (result == WSREAD_DROPPED) {
		ws_leave(c, c->fault, fault_text(c->fault));
	} else {
		ws_flush(c);
	}
}

static void
take(struct ws_connection *c, struct slice bytes)
{
	struct ws *w = c->ws;
	enum wsread_result result;
	uint16_t peer_status = 0;
	struct buf out;

	ws_hold(c);
	buf_init(&out, 0);
	c->out = &out;
	c->heard_ms = uv_now(w->server->loop);
	result = wsread_bytes(&c->read, c->is_echo ? &w->echo_rules : &w->rules,
	    c->has_deflate, bytes, &out, &peer_status, c);
	if (c->reader != NULL)
		wspublish_flush(c);
	if (c->reader != NULL)
		after_bytes(c, result, &out);
	c->out = NULL;
	buf_fini(&out);
	if (c->reader != NULL)
		go_on(c);
	ws_unhold(c);
}

static void
on_readable(void *arg)
{
	struct ws_connection *c = arg;
	ssize_t n = recv(c->fd, c->ws->scratch, WS_READ_BYTES, MSG_DONTWAIT);
	struct outlet o;

	if (n > 0) {
		take(c, (struct slice){c->ws->scratch, (size_t)n});
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		hub_release(c->reader, &o);
		outlet_close(&o);
		detach(c);
	}
}

/* ---- silence ---- */

static void
on_tick(void *arg)
{
	struct ws_connection *c = arg;
	const struct options *o = c->ws->server->options;
	uint64_t sent_ms = hub_sent_ms(c->reader), quiet_ms;
	struct buf b;

	/* what leaves although the socket was full, somebody reads */
	if (!hub_is_flowing(c->reader) && sent_ms > c->heard_ms)
		c->heard_ms = sent_ms;
	if (c->lookup != NULL || c->exchange != NULL ||
	    c->publishing >= o->ws_pipeline)
		c->heard_ms = uv_now(c->ws->server->loop); /* we don't listen */
	quiet_ms = uv_now(c->ws->server->loop) - c->heard_ms;
	if (quiet_ms >= o->ws_idle_ms) {
		if (c->last == NULL)
			ws_leave(c, WS_GOING_AWAY, "no sign of life");
		else
			end_now(c, SLICE("")); /* nor does it read the Close */
	} else if (hub_is_turn_over(c->reader)) {
		ws_leave(c, WS_TRY_AGAIN,
		    "others wait for a place; come back "
		    "later");
	} else if (quiet_ms >= o->ws_ping_ms && !c->is_echo &&
	    hub_is_flowing(c->reader)) {
		buf_init(&b, 0);
		wsframe_add(&b, WS_PING, SLICE(""));
		ws_say(c, &b);
	}
}

/* ---- the beginning ---- */

static struct ws_connection *
make(struct ws *w, const struct ws_start *start)
{
	struct ws_connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	if ((w->server->options->publish_rate > 0 || start->is_bayeux) &&
	    start->client != NULL &&
	    (c->client = strdup(start->client)) == NULL) {
		free(c);
		return NULL;
	}
	c->ws = w;
	c->end = &c->first;
	c->fd = start->fd;
	c->has_deflate = start->has_deflate;
	c->window_bits = start->window_bits;
	c->is_echo = start->is_echo;
	c->is_bayeux = start->is_bayeux;
	if (start->is_bayeux && start->cookie.n > 0)
		bayeux_mark_browser(c->browser, 'c', start->cookie);
	c->heard_ms = uv_now(w->server->loop);
	return c;
}

enum rc
ws_start(struct ws *w, struct ws_start *start, struct err *e)
{
	struct ws_connection *c = make(w, start);
	struct hub_reader spec = {
	    .outlet = {.fd = start->fd, .is_socket = true},
	    .what = start->what,
	    .how = {.form = start->has_deflate ? FORM_WS_DEFLATE : FORM_WS,
	        .epoch = start->epoch,
	        .window_bits = start->window_bits},
	    .is_now = start->is_now,
	    .has_gap = start->has_gap,
	    .after = start->after,
	    .gap_known = start->gap_known,
	    .hold_ms = UINT64_MAX / 2,
	    .head = start->head,
	    .is_silent = start->is_echo || start->is_bayeux,
	    .is_listener = start->is_bayeux,
	    .place = start->place,
	};
	enum rc rc;

	if (c == NULL) {
		pattern_set_fini(&start->what);
		hub_unclaim(w->server->hub, start->place);
		return err_set(e, RC_NOMEM, "out of memory");
	}
	rc = hub_attach(w->server->hub, &spec,
	    start->is_bayeux ? &w->bayeux_client : &w->client, c, &c->reader,
	    e);
	if (rc != RC_OK) {
		connection_free(c);
		return rc;
	}
	c->next = w->list;
	c->link = &w->list;
	if (c->next != NULL)
		c->next->link = &c->next;
	w->list = c;
	w->count++;
	if (w->is_stopping)
		ws_leave(c, WS_GOING_AWAY, "the server stops");
	else if (start->early.n > 0)
		take(c, start->early);
	return RC_OK;
}

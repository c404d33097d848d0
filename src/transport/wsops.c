#include "transport/wsops.h"

#include "transport/reading.h"
#include "transport/wspublish.h"

#include <stdlib.h>

/* A subscription whose beginning is looked up on the thread pool. */
struct ws_lookup {
	uv_work_t work; /* first: what libuv gives back */
	struct ws_connection *connection;
	struct reading rd;
	struct reading_page page;
	struct slice pattern, ref; /* behind the struct */
	enum rc rc;
	struct err err;
	bool is_done;
	char text[];
};

static void
lookup_free(struct ws_lookup *l)
{
	if (l == NULL)
		return;
	reading_fini(&l->rd);
	free(l);
}

void
wsops_free(struct ws_connection *c)
{
	lookup_free(c->lookup);
	c->lookup = NULL;
}

static void
say_error(
    struct ws_connection *c, struct slice ref, enum rc rc, const char *detail)
{
	struct buf b;

	buf_init(&b, 0);
	wsop_add_error(&b, ref, rc, detail, ws_retry_s(rc_http_status(rc)));
	ws_say(c, &b);
}

static void
say_ok(struct ws_connection *c, struct slice ref, uint64_t seq, uint32_t epoch)
{
	struct buf b;

	buf_init(&b, 0);
	wsop_add_ok(&b, ref, seq, epoch);
	ws_say(c, &b);
}

/* Subscribes behind start, and says so, with the gap if there is one. */
static void
subscribe(struct ws_connection *c, struct slice pattern, struct slice ref,
    struct hub_start *start, bool is_gap)
{
	struct err e;
	struct buf b;
	enum rc rc = hub_subscribe(c->reader, pattern, start, &e);

	if (rc != RC_OK) {
		if (c->reader != NULL)
			say_error(c, ref, rc, e.text);
		return;
	}
	buf_init(&b, 0);
	wsop_add_ok(&b, ref, start->after, start->epoch);
	if (is_gap)
		wsop_add_gap(&b, pattern, start->after, start->epoch);
	ws_say(c, &b);
}

/* On a thread of the pool. */
static void
look_up(uv_work_t *work)
{
	struct ws_lookup *l = (struct ws_lookup *)work;

	l->rc =
	    reading_start(&l->rd, l->connection->ws->server, &l->page, &l->err);
}

void
wsops_finish(struct ws_connection *c)
{
	struct ws_lookup *l = c->lookup;
	struct hub_start start = {0};

	if (!l->is_done) /* until then all of it is the other thread's */
		return;
	ws_flush(c); /* what was answered before comes before its messages */
	hub_sync(c->ws->server->hub);
	if (c->reader == NULL || !hub_is_flowing(c->reader))
		return; /* full of news: on the next border */
	c->lookup = NULL;
	start.is_now = l->rd.from == READING_NOW;
	start.after = l->page.after;
	start.epoch = l->page.page.tip.epoch;
	if (l->rd.from != READING_CURSOR)
		start.gap_known = l->page.page.tip.seq;
	else if (l->page.is_gap)
		start.gap_known = l->page.page.kept_after;
	if (l->rc == RC_OK)
		subscribe(c, l->pattern, l->ref, &start, l->page.is_gap);
	else
		say_error(c, l->ref, l->rc, l->err.text);
	lookup_free(l);
}

static void
looked_up(uv_work_t *work, int status)
{
	struct ws_lookup *l = (struct ws_lookup *)work;
	struct ws_connection *c = l->connection;

	(void)status;
	l->is_done = true;
	if (c->reader != NULL)
		ws_proceed(c);
	ws_unhold(c);
}

static enum rc
start_lookup(struct ws_connection *c, const struct wsop *op, struct err *e)
{
	struct ws_lookup *l = calloc(1, sizeof *l + op->ref.n + op->channel.n);
	enum rc rc;

	if (l == NULL)
		return err_set(e, RC_NOMEM, "no memory for a subscription");
	rc = pattern_set_init(&l->rd.what, &op->channel, 1, e);
	if (rc != RC_OK) {
		free(l);
		return rc;
	}
	l->connection = c;
	l->rd.from = op->from == WSOP_LAST ? READING_LAST
	    : op->from == WSOP_NOW         ? READING_NOW
	                                   : READING_CURSOR;
	l->rd.cursor = op->since;
	l->rd.last = op->last < LIMIT_MAX ? op->last : LIMIT_MAX;
	memcpy(l->text, op->channel.p, op->channel.n);
	l->pattern = (struct slice){l->text, op->channel.n};
	if (op->ref.p != NULL) {
		memcpy(l->text + op->channel.n, op->ref.p, op->ref.n);
		l->ref = (struct slice){l->text + op->channel.n, op->ref.n};
	}
	c->lookup = l;
	if (op->from == WSOP_NOW) { /* nothing to look up */
		l->is_done = true;
		wsops_finish(c);
		return RC_OK;
	}
	ws_hold(c);
	uv_queue_work(c->ws->server->loop, &l->work, look_up, looked_up);
	return RC_OK;
}

static enum rc
do_subscribe(struct ws_connection *c, const struct wsop *op, struct err *e)
{
	uint32_t most = c->ws->server->options->ws_subscriptions, epoch;
	uint64_t at;

	if (hub_is_subscribed(c->reader, op->channel)) {
		if (op->from == WSOP_NOW) { /* as it is: nothing may be lost */
			at = hub_position_of(c->reader, op->channel, &epoch);
			say_ok(c, op->ref, at, epoch);
			return RC_OK;
		}
	} else if (hub_subscriptions(c->reader) >= most) {
		return err_set(e, RC_BAD,
		    "This connection has %lu "
		    "subscriptions, and more are not allowed (option "
		    "ws-subscriptions). Use a pattern such as chat/*, or "
		    "another connection.",
		    (unsigned long)most);
	}
	return start_lookup(c, op, e);
}

static enum rc
do_publish(struct ws_connection *c, const struct wsop *op, struct err *e)
{
	if (c->ws->server->options->ws_publish == OPTIONS_OFF)
		return err_set(e, RC_DENIED,
		    "Messages are not taken over "
		    "WebSockets here (option ws-publish). POST them.");
	return wspublish_add(c, op, e);
}

static enum rc
do_unsubscribe(struct ws_connection *c, const struct wsop *op, struct err *e)
{
	uint32_t epoch;
	uint64_t was = hub_position_of(c->reader, op->channel, &epoch), at;
	enum rc rc = hub_unsubscribe(c->reader, op->channel, e);

	if (rc != RC_OK)
		return rc;
	at = hub_position(c->reader, &epoch);
	say_ok(c, op->ref, was > at ? was : at, epoch);
	return RC_OK;
}

void
wsops_run(struct ws_connection *c, char *text, size_t n)
{
	const struct options *o = c->ws->server->options;
	struct envelope_limits limits = {o->message_bytes, 1};
	struct wsop op;
	struct err e;
	struct buf b;
	enum rc rc = wsop_parse(text, n, &limits, &op, &e);

	if (rc == RC_OK)
		switch (op.kind) {
		case WSOP_SUBSCRIBE:
			rc = do_subscribe(c, &op, &e);
			break;
		case WSOP_UNSUBSCRIBE:
			rc = do_unsubscribe(c, &op, &e);
			break;
		case WSOP_PUBLISH:
			rc = do_publish(c, &op, &e);
			break;
		case WSOP_PING:
			buf_init(&b, 0);
			wsop_add_pong(&b, op.ref);
			ws_say(c, &b);
			break;
		}
	if (rc != RC_OK && c->reader != NULL)
		say_error(c, op.ref, rc, e.text);
}

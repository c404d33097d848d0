#include "transport/exchange.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

static void run_on(struct bayeux_exchange *x);

struct bayeux_exchange *
bayeux_exchange_new(struct bayeux *b)
{
	struct bayeux_exchange *x = calloc(1, sizeof *x);

	if (x == NULL)
		return NULL;
	x->bayeux = b;
	x->received_ms = clock_unix_ms();
	buf_init(&x->replies, 0);
	return x;
}

void
bayeux_exchange_free(struct bayeux_exchange *x)
{
	if (x == NULL)
		return;
	bayeux_session_fini(&x->session);
	buf_fini(&x->replies);
	free(x->text);
	free(x->room);
	free(x->items);
	free(x->batch);
	free(x->messages);
	free(x->appended);
	free(x);
}

struct bayeux_advice
bayeux_advice(const struct server *s, uint32_t interval_ms)
{
	const struct options *o = s->options;
	struct bayeux_advice a = {
	    .reconnect = BAYEUX_RETRY,
	    .interval_ms = interval_ms,
	    .timeout_ms = (uint32_t)o->longpoll_timeout_ms,
	    .max_interval_ms = (uint32_t)o->bayeux_max_interval_ms,
	};

	return a;
}

/* ---- replies ---- */

void
exchange_add_reply(struct bayeux_exchange *x, const struct bayeux_reply *reply)
{
	bayeux_answer_next(&x->replies, &x->answer);
	bayeux_add_reply(&x->replies, reply, x->callback.p != NULL);
	x->has_replies = true;
}

struct bayeux_reply
exchange_reply_to(struct bayeux_exchange *x, const struct bayeux_message *m)
{
	struct bayeux_reply reply = bayeux_reply_to(m);

	reply.received_ms = x->received_ms;
	return reply;
}

/* Replies with m's error. */
void
exchange_refuse(struct bayeux_exchange *x, const struct bayeux_message *m,
    const struct bayeux_advice *advice)
{
	struct bayeux_reply reply = exchange_reply_to(x, m);

	reply.error = &m->error;
	reply.advice = advice;
	exchange_add_reply(x, &reply);
}

void
exchange_refuse_rc(struct bayeux_exchange *x, struct bayeux_message *m,
    enum rc rc, const char *text)
{
	bayeux_fail_rc(&m->error, rc, m->channel, text);
	exchange_refuse(x, m, NULL);
}

/* The clientId of m is nobody's: another handshake makes one. */
void
exchange_refuse_client(struct bayeux_exchange *x, struct bayeux_message *m,
    enum rc rc, const char *text)
{
	struct bayeux_advice advice = bayeux_advice(x->bayeux->server, 0);

	if (rc != RC_MISSING) {
		exchange_refuse_rc(x, m, rc, text);
		return;
	}
	bayeux_fail(&m->error, 402, m->client_id, "Unknown client");
	advice.reconnect = m->kind == BAYEUX_DISCONNECT
	    ? BAYEUX_RECONNECT_NONE
	    : BAYEUX_RECONNECT_HANDSHAKE;
	exchange_refuse(x, m, &advice);
}

/* ---- the writer's part ---- */

/* One visit to the pool; x may be gone when its end is told. */
struct visit {
	uv_work_t work; /* first: what libuv gives back */
	struct bayeux *bayeux;
	struct bayeux_exchange *x;
};

static void
on_visit(uv_work_t *work)
{
	run_on(((struct visit *)work)->x);
}

static void
visited(uv_work_t *work, int status)
{
	struct visit *v = (struct visit *)work;

	(void)status;
	atomic_fetch_sub(&v->bayeux->server->working, 1);
	free(v);
}

/* On the loop, which must not wait for the log: but for want of memory. */
static void
queue(struct bayeux_exchange *x)
{
	struct server *s = x->bayeux->server;
	struct visit *v = malloc(sizeof *v);

	if (v == NULL) {
		run_on(x);
		return;
	}
	v->bayeux = x->bayeux;
	v->x = x;
	atomic_fetch_add(&s->working, 1);
	uv_queue_work(s->loop, &v->work, on_visit, visited);
}

static void
queue_task(struct server *s, struct task *t)
{
	struct bayeux_exchange *x = (struct bayeux_exchange *)((char *)t -
	    offsetof(struct bayeux_exchange, task));

	queue(x);
	atomic_fetch_sub(&s->publishing, 1);
}

/* On the writer's thread: the rest is done on the pool. */
static void
written(struct bayeux_exchange *x, enum rc rc, const char *why)
{
	x->rc = rc;
	snprintf(x->err.text, sizeof x->err.text, "%s", why == NULL ? "" : why);
	x->task.run = queue_task;
	server_post(x->bayeux->server, &x->task);
}

/* Before anybody is told to look: who holds a connect of the session sees
   that it is outdated. */
static void
on_changed(struct log_change *c, enum rc rc, const char *why)
{
	struct bayeux_exchange *x = (struct bayeux_exchange *)((char *)c -
	    offsetof(struct bayeux_exchange, change));
	struct bayeux *b = x->bayeux;
	const struct bayeux_session *s = &x->session;

	if (rc == RC_OK && c->kind == LOG_SESSION_END) {
		slots_release(b->slots, s->slot);
	} else if (rc == RC_OK && c->kind != LOG_SESSION_NEW) {
		if (c->kind == LOG_SESSION_SUBSCRIBE && c->begin < c->cursor)
			slots_go_back(b->slots, s->slot, c->begin);
		slots_bump(b->slots, s->slot);
	}
	written(x, rc, why);
}

void
exchange_appended(struct append *a, enum rc rc, const char *why)
{
	written((struct bayeux_exchange *)((char *)a -
	            offsetof(struct bayeux_exchange, append)),
	    rc, why);
}

/* Changes the session of m; after it finish() goes on. */
enum handled
exchange_change(
    struct bayeux_exchange *x, enum log_change_kind kind, struct slice id)
{
	struct server *s = x->bayeux->server;
	enum rc rc;

	x->change.kind = kind;
	x->change.id = id;
	x->change.done = on_changed;
	atomic_fetch_add(&s->publishing, 1);
	rc = store_change(s->store, &x->change, &x->err);
	if (rc == RC_OK)
		return WAITING;
	atomic_fetch_sub(&s->publishing, 1);
	exchange_refuse_rc(x, &x->m, rc, x->err.text);
	return DONE;
}

/* ---- one message after the other ---- */

/* Is the session needed, and which is m's? */
static bool
needs_session(const struct bayeux_message *m)
{
	return m->kind != BAYEUX_HANDSHAKE && m->kind != BAYEUX_UNKNOWN_META &&
	    (m->client_id.p != NULL ||
	        (m->kind != BAYEUX_PUBLISH && m->kind != BAYEUX_SERVICE));
}

/* The browser, if its cookie was there: one that is given
   now proves nothing. */
struct slice
exchange_browser(const struct bayeux_exchange *x)
{
	return x->browser.n > 0 && x->browser.p[0] == 'c' ? x->browser
	                                                  : (struct slice){0};
}

static enum handled
handle_kind(struct bayeux_exchange *x)
{
	switch (x->m.kind) {
	case BAYEUX_HANDSHAKE:
		return exchange_handshake(x);
	case BAYEUX_CONNECT:
		return exchange_note_connect(x);
	case BAYEUX_SUBSCRIBE:
		return exchange_subscribe(x);
	case BAYEUX_UNSUBSCRIBE:
		return exchange_unsubscribe(x);
	case BAYEUX_DISCONNECT:
		x->change = (struct log_change){0};
		return exchange_change(x, LOG_SESSION_END, x->m.client_id);
	case BAYEUX_PUBLISH:
		return exchange_publish(x);
	case BAYEUX_SERVICE:
		exchange_serve(x);
		return DONE;
	case BAYEUX_UNKNOWN_META:
		break;
	}
	return DONE;
}

static enum handled
handle(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	enum rc rc;

	if (bayeux_open(x->bayeux, &x->err) != RC_OK) {
		exchange_refuse_rc(x, m, RC_BUSY,
		    "Sessions can not be kept now: the "
		    "error log of the server says why");
		return DONE;
	}
	if (m->error.code == 402) {
		exchange_refuse_client(x, m, RC_MISSING, "");
		return DONE;
	}
	if (m->error.code != 0) {
		exchange_refuse(x, m, NULL);
		return DONE;
	}
	if (needs_session(m)) {
		rc = bayeux_session_load(x->bayeux, &x->session, m->client_id,
		    exchange_browser(x), &x->err);
		if (rc != RC_OK) {
			exchange_refuse_client(x, m, rc, x->err.text);
			return DONE;
		}
	}
	return handle_kind(x);
}

/* What the writer was asked for is done, or isn't. */
static void
finish(struct bayeux_exchange *x)
{
	if (x->n_batch > 0) {
		exchange_batch_done(x);
	} else if (x->rc == RC_MISSING) {
		exchange_refuse_client(x, &x->m, x->rc, x->err.text);
	} else if (x->rc != RC_OK) {
		exchange_refuse_rc(x, &x->m, x->rc, x->err.text);
	} else if (x->m.kind == BAYEUX_HANDSHAKE) {
		exchange_handshake_done(x);
	} else if (x->m.kind == BAYEUX_DISCONNECT) {
		exchange_disconnect_done(x);
	} else {
		exchange_subscriptions_done(x);
	}
}

/* The messages of a run of publishes are stored when another one, or none,
   follows: replies come in the order of the messages. */
static bool
must_store_first(const struct bayeux_exchange *x)
{
	return x->n_batch > 0 &&
	    (x->m.kind != BAYEUX_PUBLISH || x->m.error.code != 0);
}

static void
end_exchange(struct bayeux_exchange *x)
{
	if (x->has_connect)
		exchange_begin_connect(x);
	x->done(x);
}

static void
go_on(struct bayeux_exchange *x)
{
	for (;;) {
		if (!x->is_held_back && !bayeux_next(&x->reading, &x->m)) {
			if (x->n_batch > 0 &&
			    exchange_store_batch(x) == WAITING)
				return;
			end_exchange(x);
			return;
		}
		x->is_held_back = must_store_first(x);
		if (x->is_held_back) {
			if (exchange_store_batch(x) == WAITING)
				return;
			continue;
		}
		if (handle(x) == WAITING)
			return;
	}
}

static void
run_on(struct bayeux_exchange *x)
{
	if (x->change.done != NULL || x->n_batch > 0)
		finish(x);
	x->change.done = NULL;
	go_on(x);
}

/* Most texts are a connect: they are spared the room. */
static bool
may_subscribe(const struct bayeux_exchange *x)
{
	return x->fields != NULL ||
	    (x->text_n > 0 &&
	        (memmem(x->text, x->text_n, "scri", 4) != NULL ||
	            memchr(x->text, '\\', x->text_n) != NULL));
}

enum rc
bayeux_exchange_read(struct bayeux_exchange *x, struct err *e)
{
	const struct options *o = x->bayeux->server->options;
	size_t room = may_subscribe(x) ? o->bayeux_subscriptions : 1, count;
	enum rc rc;

	x->room = calloc(room, sizeof *x->room);
	x->items = calloc(room, sizeof *x->items);
	if (x->room == NULL || x->items == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	x->limits = (struct bayeux_limits){
	    .envelope = {o->message_bytes, o->batch_messages},
	    .subscription = x->room,
	    .subscriptions = room};
	bayeux_answer_begin(&x->replies, &x->answer, x->callback);
	rc = x->fields != NULL
	    ? bayeux_read_fields(&x->reading, x->fields, &x->limits, &count, e)
	    : bayeux_read(
	          &x->reading, x->text, x->text_n, &x->limits, &count, e);
	if (rc == RC_OK && count < x->limits.envelope.messages)
		x->limits.envelope.messages = count + 1;
	return rc;
}

void
bayeux_exchange_run(struct bayeux_exchange *x)
{
	go_on(x);
}

void
bayeux_exchange_start(struct bayeux_exchange *x)
{
	queue(x);
}

#include "transport/bayeux.h"

#include "base/clock.h"
#include "base/cursor.h"
#include "transport/ratelimit.h"
#include "transport/reading.h"

#include <stdio.h>
#include <stdlib.h>

/* Where a session's clients have nothing better to do. */
#define TYPES_HTTP (BAYEUX_LONG_POLLING | BAYEUX_CALLBACK_POLLING | \
	BAYEUX_CROSS_ORIGIN_LONG_POLLING)

/* What was done with a message. */
enum handled { DONE, WAITING };

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

static void
add_reply(struct bayeux_exchange *x, const struct bayeux_reply *reply)
{
	bayeux_answer_next(&x->replies, &x->answer);
	bayeux_add_reply(&x->replies, reply, x->callback.p != NULL);
	x->has_replies = true;
}

static struct bayeux_reply
reply_to(struct bayeux_exchange *x, const struct bayeux_message *m)
{
	struct bayeux_reply reply = bayeux_reply_to(m);

	reply.received_ms = x->received_ms;
	return reply;
}

/* Replies with m's error. */
static void
refuse(struct bayeux_exchange *x, const struct bayeux_message *m,
    const struct bayeux_advice *advice)
{
	struct bayeux_reply reply = reply_to(x, m);

	reply.error = &m->error;
	reply.advice = advice;
	add_reply(x, &reply);
}

static void
refuse_rc(struct bayeux_exchange *x, struct bayeux_message *m, enum rc rc,
    const char *text)
{
	bayeux_fail_rc(&m->error, rc, m->channel, text);
	refuse(x, m, NULL);
}

/* The clientId of m is nobody's: another handshake makes one. */
static void
refuse_client(struct bayeux_exchange *x, struct bayeux_message *m, enum rc rc,
    const char *text)
{
	struct bayeux_advice advice = bayeux_advice(x->bayeux->server, 0);

	if (rc != RC_MISSING) {
		refuse_rc(x, m, rc, text);
		return;
	}
	bayeux_fail(&m->error, 402, m->client_id, "Unknown client");
	advice.reconnect = m->kind == BAYEUX_DISCONNECT ?
	    BAYEUX_RECONNECT_NONE : BAYEUX_RECONNECT_HANDSHAKE;
	refuse(x, m, &advice);
}

/* ---- the writer's part ---- */

/* One visit to the pool; x may be gone when its end is told. */
struct visit {
	uv_work_t work;         /* first: what libuv gives back */
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

/* Before anybody is told to look: who holds a connect of the session sees that it
   is outdated. */
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

static void
on_appended(struct append *a, enum rc rc, const char *why)
{
	written((struct bayeux_exchange *)((char *)a -
	    offsetof(struct bayeux_exchange, append)), rc, why);
}

/* Changes the session of m; after it finish() goes on. */
static enum handled
change(struct bayeux_exchange *x, enum log_change_kind kind, struct slice id)
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
	refuse_rc(x, &x->m, rc, x->err.text);
	return DONE;
}

/* ---- /meta/handshake ---- */

static unsigned
offered(const struct bayeux_exchange *x)
{
	return x->type == BAYEUX_WEBSOCKET ? TYPES_HTTP | BAYEUX_WEBSOCKET :
	    TYPES_HTTP | BAYEUX_WEBSOCKET;
}

static enum handled
handshake(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	struct bayeux_advice none = bayeux_advice(x->bayeux->server, 0);
	enum rc rc;

	none.reconnect = BAYEUX_RECONNECT_NONE;
	if (m->connection_types != 0 && (m->connection_types & offered(x)) == 0) {
		bayeux_fail(&m->error, 301, (struct slice){0},
		    "Connection types not supported");
		refuse(x, m, &none);
		return DONE;
	}
	if (!ratelimit_take(x->bayeux->server->ratelimit, x->client, 1)) {
		refuse_rc(x, m, RC_RATE, "Too many handshakes and messages from "
		    "this address (option publish-rate)");
		return DONE;
	}
	if ((rc = bayeux_draw_id(x->new_id, &x->err)) != RC_OK) {
		refuse_rc(x, m, rc, x->err.text);
		return DONE;
	}
	x->change = (struct log_change){.has_ack = m->wants_ack,
	    .has_replay = m->wants_replay, .browser = x->browser};
	return change(x, LOG_SESSION_NEW,
	    (struct slice){x->new_id, sizeof x->new_id});
}

static void
handshake_done(struct bayeux_exchange *x)
{
	struct bayeux_advice advice = bayeux_advice(x->bayeux->server, 0);
	struct bayeux_reply reply = reply_to(x, &x->m);

	reply.client_id = (struct slice){x->new_id, sizeof x->new_id};
	reply.connection_types = offered(x);
	reply.advice = &advice;
	reply.acks = x->m.wants_ack;
	reply.replays = x->m.wants_replay;
	x->has_handshake = true;
	add_reply(x, &reply);
}

/* ---- /meta/connect ---- */

/* The browser, if its cookie was there: one that is given now proves nothing. */
static struct slice
came_with(const struct bayeux_exchange *x)
{
	return x->browser.n > 0 && x->browser.p[0] == 'c' ? x->browser :
	    (struct slice){0};
}

static enum handled
start_connect(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	struct bayeux_session *s = &x->session;

	if (x->has_connect) {
		bayeux_fail(&m->error, 400, (struct slice){0},
		    "One connect at a time");
		refuse(x, m, NULL);
		return DONE;
	}
	if (m->has_ack && s->row.has_ack)
		bayeux_session_acknowledge(x->bayeux, s, m->ack);
	x->has_connect = true;
	x->connect = *m;
	return DONE;
}

/* Once all else is done, which may have changed the session or ended it. */
static void
begin_connect(struct bayeux_exchange *x)
{
	struct slots *slots = x->bayeux->slots;
	struct bayeux_message *m = &x->connect;
	enum rc rc = bayeux_session_load(x->bayeux, &x->session, m->client_id,
	    came_with(x), &x->err);

	if (rc == RC_OK)
		rc = bayeux_session_settle(x->bayeux, &x->session, &x->err);
	if (rc == RC_OK &&
	    !slots_begin_connect(slots, x->session.slot, &x->serial))
		rc = RC_MISSING; /* it was ended just now */
	x->has_connect = rc == RC_OK;
	x->is_first_connect = x->has_connect && x->serial == 1;
	if (rc != RC_OK)
		refuse_client(x, m, rc, x->err.text);
}

static void
end_exchange(struct bayeux_exchange *x)
{
	if (x->has_connect)
		begin_connect(x);
	x->done(x);
}

/* ---- subscriptions ---- */

/* Where a subscription begins; *is_lost: the position is none. */
static enum rc
find_start(struct bayeux_exchange *x, const struct bayeux_subscription *from,
    uint64_t *after, bool *is_lost, struct err *e)
{
	struct server *s = x->bayeux->server;
	struct reading rd = {.from = READING_CURSOR, .cursor = from->since};
	struct reading_page page = {.how = {.form = FORM_OBJECT}};
	enum rc rc;

	*is_lost = false;
	if (from->from == BAYEUX_NOW) {
		*after = LOG_AFTER_NEWEST;
		return RC_OK;
	}
	if (from->from == BAYEUX_ALL)
		rd.cursor = (struct cursor){0};
	if ((rc = pattern_set_init(&rd.what, &from->pattern, 1, e)) != RC_OK)
		return rc;
	rc = reading_start(&rd, s, &page, e);
	if (rc == RC_OK) {
		*is_lost = page.is_gap && from->from != BAYEUX_ALL;
		*after = page.is_gap && page.page.kept_after > page.after ?
		    page.page.kept_after : page.after;
	}
	reading_fini(&rd);
	reading_page_fini(&page);
	return rc;
}

static enum handled
subscribe(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	const struct bayeux_subscription *from;
	bool is_lost;
	enum rc rc;
	size_t i;

	x->is_gap = false;
	for (i = 0; i < m->subscriptions; i++) {
		from = &m->subscription[i];
		rc = find_start(x, from, &x->items[i].after, &is_lost, &x->err);
		if (rc != RC_OK) {
			refuse_rc(x, m, rc, x->err.text);
			return DONE;
		}
		if (is_lost && from->from == BAYEUX_REPLAY) {
			bayeux_fail_replay(&m->error, from->replay);
			refuse(x, m, NULL);
			return DONE;
		}
		x->is_gap = x->is_gap || is_lost;
		x->items[i].pattern = from->pattern;
	}
	x->change = (struct log_change){.item = x->items,
	    .n = m->subscriptions,
	    .cursor = bayeux_session_cursor(x->bayeux, &x->session),
	    .has_replay = m->wants_replay};
	return change(x, LOG_SESSION_SUBSCRIBE, m->client_id);
}

static enum handled
unsubscribe(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	size_t i;

	for (i = 0; i < m->subscriptions; i++)
		x->items[i].pattern = m->subscription[i].pattern;
	x->change = (struct log_change){.item = x->items,
	    .n = m->subscriptions};
	return change(x, LOG_SESSION_UNSUBSCRIBE, m->client_id);
}

static void
subscriptions_done(struct bayeux_exchange *x)
{
	struct bayeux_reply reply = reply_to(x, &x->m);

	reply.is_gap = x->m.kind == BAYEUX_SUBSCRIBE && x->is_gap;
	reply.client_id = x->m.client_id;
	add_reply(x, &reply);
	bayeux_session_fini(&x->session); /* what was read is no longer so */
}

/* ---- /meta/disconnect ---- */

static void
disconnect_done(struct bayeux_exchange *x)
{
	struct bayeux_advice none = bayeux_advice(x->bayeux->server, 0);
	struct bayeux_reply reply = reply_to(x, &x->m);

	none.reconnect = BAYEUX_RECONNECT_NONE;
	reply.client_id = x->m.client_id;
	reply.advice = &none;
	x->is_released = true;
	add_reply(x, &reply);
	bayeux_session_fini(&x->session);
}

/* ---- publishing ---- */

/* Puts m with those that are stored together.  False: first they must be. */
static bool
put_in_batch(struct bayeux_exchange *x)
{
	size_t most = x->limits.envelope.messages;
	const struct message *m = &x->m.publish;

	if (x->batch == NULL) {
		x->batch = calloc(most, sizeof *x->batch);
		x->messages = calloc(most, sizeof *x->messages);
		x->appended = calloc(most, sizeof *x->appended);
	}
	if (x->batch == NULL || x->messages == NULL || x->appended == NULL) {
		refuse_rc(x, &x->m, RC_NOMEM, "out of memory");
		return true;
	}
	if (x->n_batch == most)
		return false;
	x->batch[x->n_batch] = x->m;
	x->messages[x->n_batch++] = *m;
	x->batch_bytes += m->data.n + m->channel.n + m->event.n + m->id.n;
	return true;
}

static enum handled
store_batch(struct bayeux_exchange *x)
{
	struct server *s = x->bayeux->server;
	enum rc rc;
	size_t i;

	x->append = (struct append){.message = x->messages,
	    .result = x->appended, .n = x->n_batch, .bytes = x->batch_bytes,
	    .done = on_appended};
	atomic_fetch_add(&s->publishing, 1);
	rc = store_append(s->store, &x->append, &x->err);
	if (rc == RC_OK)
		return WAITING;
	atomic_fetch_sub(&s->publishing, 1);
	for (i = 0; i < x->n_batch; i++)
		refuse_rc(x, &x->batch[i], rc, x->err.text);
	x->n_batch = 0;
	return DONE;
}

static void
batch_done(struct bayeux_exchange *x)
{
	struct server *s = x->bayeux->server;
	struct bayeux_reply reply;
	size_t i;

	if (x->rc == RC_OK)
		atomic_fetch_add_explicit(&s->count.published, x->n_batch,
		    memory_order_relaxed);
	for (i = 0; i < x->n_batch; i++) {
		if (x->rc != RC_OK) {
			refuse_rc(x, &x->batch[i], x->rc, x->err.text);
			continue;
		}
		reply = reply_to(x, &x->batch[i]);
		add_reply(x, &reply);
	}
	x->n_batch = x->batch_bytes = 0;
}

static enum handled
publish(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;

	if (x->publish_refusal != NULL) {
		bayeux_fail(&m->error, 403, m->channel, "%s",
		    x->publish_refusal);
		refuse(x, m, NULL);
	} else if (!ratelimit_take(x->bayeux->server->ratelimit, x->client,
	    1)) {
		refuse_rc(x, m, RC_RATE, "Too many messages from this address "
		    "(option publish-rate)");
	} else if (!put_in_batch(x)) {
		x->is_held_back = true;
		return store_batch(x);
	}
	return DONE;
}

/* ---- /service: answered to the sender alone ---- */

static void
add_service_reply(struct bayeux_exchange *x, struct slice data, bool is_json)
{
	struct bayeux_reply reply = reply_to(x, &x->m);
	struct message result = {.channel = x->m.publish.channel,
	    .data = data, .is_json = is_json};

	add_reply(x, &reply);
	bayeux_answer_next(&x->replies, &x->answer);
	bayeux_add_result(&x->replies, &x->m, &result,
	    x->callback.p != NULL);
}

static void
service(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	char time[48];
	int n;

	if (slice_is(m->channel, SLICE("/service/echo"))) {
		add_service_reply(x, m->publish.data, m->publish.is_json);
	} else if (slice_is(m->channel, SLICE("/service/time"))) {
		n = snprintf(time, sizeof time, "{\"time\":%lld}",
		    (long long)clock_unix_ms());
		add_service_reply(x, (struct slice){time, (size_t)n}, true);
	} else {
		bayeux_fail(&m->error, 404, m->channel, "Unknown service");
		refuse(x, m, NULL);
	}
}

/* ---- one message after the other ---- */

/* Is the session needed, and which is m's? */
static bool
needs_session(const struct bayeux_message *m)
{
	return m->kind != BAYEUX_HANDSHAKE && m->kind != BAYEUX_UNKNOWN_META &&
	    (m->client_id.p != NULL || (m->kind != BAYEUX_PUBLISH &&
	    m->kind != BAYEUX_SERVICE));
}

static enum handled
handle_kind(struct bayeux_exchange *x)
{
	switch (x->m.kind) {
	case BAYEUX_HANDSHAKE:
		return handshake(x);
	case BAYEUX_CONNECT:
		return start_connect(x);
	case BAYEUX_SUBSCRIBE:
		return subscribe(x);
	case BAYEUX_UNSUBSCRIBE:
		return unsubscribe(x);
	case BAYEUX_DISCONNECT:
		x->change = (struct log_change){0};
		return change(x, LOG_SESSION_END, x->m.client_id);
	case BAYEUX_PUBLISH:
		return publish(x);
	case BAYEUX_SERVICE:
		service(x);
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
		refuse_rc(x, m, RC_BUSY, "Sessions can't be kept now, and the "
		    "server's error log says why");
		return DONE;
	}
	if (m->error.code == 402) {
		refuse_client(x, m, RC_MISSING, "");
		return DONE;
	}
	if (m->error.code != 0) {
		refuse(x, m, NULL);
		return DONE;
	}
	if (needs_session(m)) {
		rc = bayeux_session_load(x->bayeux, &x->session, m->client_id,
		    came_with(x), &x->err);
		if (rc != RC_OK) {
			refuse_client(x, m, rc, x->err.text);
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
		batch_done(x);
	} else if (x->rc == RC_MISSING) {
		refuse_client(x, &x->m, x->rc, x->err.text);
	} else if (x->rc != RC_OK) {
		refuse_rc(x, &x->m, x->rc, x->err.text);
	} else if (x->m.kind == BAYEUX_HANDSHAKE) {
		handshake_done(x);
	} else if (x->m.kind == BAYEUX_DISCONNECT) {
		disconnect_done(x);
	} else {
		subscriptions_done(x);
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
go_on(struct bayeux_exchange *x)
{
	for (;;) {
		if (!x->is_held_back && !bayeux_next(&x->reading, &x->m)) {
			if (x->n_batch > 0 && store_batch(x) == WAITING)
				return;
			end_exchange(x);
			return;
		}
		x->is_held_back = must_store_first(x);
		if (x->is_held_back) {
			if (store_batch(x) == WAITING)
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
	return x->fields != NULL || (x->text_n > 0 &&
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
	    .subscription = x->room, .subscriptions = room};
	bayeux_answer_begin(&x->replies, &x->answer, x->callback);
	rc = x->fields != NULL ?
	    bayeux_read_fields(&x->reading, x->fields, &x->limits, &count, e) :
	    bayeux_read(&x->reading, x->text, x->text_n, &x->limits, &count, e);
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

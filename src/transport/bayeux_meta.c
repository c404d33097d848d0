/* The meta channels of Bayeux: a session's beginning, connects,
   subscriptions, end. */
#include "transport/exchange.h"

#include "transport/ratelimit.h"
#include "transport/reading.h"

/* Where a session's clients have nothing better to do. */
#define TYPES_HTTP \
	(BAYEUX_LONG_POLLING | BAYEUX_CALLBACK_POLLING | \
	    BAYEUX_CROSS_ORIGIN_LONG_POLLING)

/* ---- /meta/handshake ---- */

static unsigned
offered(const struct bayeux_exchange *x)
{
	return x->type == BAYEUX_WEBSOCKET ? TYPES_HTTP | BAYEUX_WEBSOCKET
	                                   : TYPES_HTTP | BAYEUX_WEBSOCKET;
}

enum handled
exchange_handshake(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	struct bayeux_advice none = bayeux_advice(x->bayeux->server, 0);
	enum rc rc;

	none.reconnect = BAYEUX_RECONNECT_NONE;
	if (m->connection_types != 0 &&
	    (m->connection_types & offered(x)) == 0) {
		bayeux_fail(&m->error, 301, (struct slice){0},
		    "Connection types not supported");
		exchange_refuse(x, m, &none);
		return DONE;
	}
	if (!ratelimit_take(x->bayeux->server->ratelimit, x->client, 1)) {
		exchange_refuse_rc(x, m, RC_RATE,
		    "Too many handshakes and messages from "
		    "this address (option publish-rate)");
		return DONE;
	}
	if ((rc = bayeux_draw_id(x->new_id, &x->err)) != RC_OK) {
		exchange_refuse_rc(x, m, rc, x->err.text);
		return DONE;
	}
	x->change = (struct log_change){.has_ack = m->wants_ack,
	    .has_replay = m->wants_replay,
	    .browser = x->browser};
	return exchange_change(
	    x, LOG_SESSION_NEW, (struct slice){x->new_id, sizeof x->new_id});
}

void
exchange_handshake_done(struct bayeux_exchange *x)
{
	struct bayeux_advice advice = bayeux_advice(x->bayeux->server, 0);
	struct bayeux_reply reply = exchange_reply_to(x, &x->m);

	reply.client_id = (struct slice){x->new_id, sizeof x->new_id};
	reply.connection_types = offered(x);
	reply.advice = &advice;
	reply.acks = x->m.wants_ack;
	reply.replays = x->m.wants_replay;
	x->has_handshake = true;
	exchange_add_reply(x, &reply);
}

/* ---- /meta/connect ---- */

enum handled
exchange_note_connect(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	struct bayeux_session *s = &x->session;

	if (x->has_connect) {
		bayeux_fail(
		    &m->error, 400, (struct slice){0}, "One connect at a time");
		exchange_refuse(x, m, NULL);
		return DONE;
	}
	if (m->has_ack && s->row.has_ack)
		bayeux_session_acknowledge(x->bayeux, s, m->ack);
	x->has_connect = true;
	x->connect = *m;
	return DONE;
}

/* Once all else is done, which may have changed the session or ended it. */
void
exchange_begin_connect(struct bayeux_exchange *x)
{
	struct slots *slots = x->bayeux->slots;
	struct bayeux_message *m = &x->connect;
	enum rc rc = bayeux_session_load(
	    x->bayeux, &x->session, m->client_id, exchange_browser(x), &x->err);

	if (rc == RC_OK)
		rc = bayeux_session_settle(x->bayeux, &x->session, &x->err);
	if (rc == RC_OK &&
	    !slots_begin_connect(slots, x->session.slot, &x->serial))
		rc = RC_MISSING; /* it was ended just now */
	x->has_connect = rc == RC_OK;
	x->is_first_connect = x->has_connect && x->serial == 1;
	if (rc != RC_OK)
		exchange_refuse_client(x, m, rc, x->err.text);
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
		*after = page.is_gap && page.page.kept_after > page.after
		    ? page.page.kept_after
		    : page.after;
	}
	reading_fini(&rd);
	reading_page_fini(&page);
	return rc;
}

enum handled
exchange_subscribe(struct bayeux_exchange *x)
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
			exchange_refuse_rc(x, m, rc, x->err.text);
			return DONE;
		}
		if (is_lost && from->from == BAYEUX_REPLAY) {
			bayeux_fail_replay(&m->error, from->replay);
			exchange_refuse(x, m, NULL);
			return DONE;
		}
		x->is_gap = x->is_gap || is_lost;
		x->items[i].pattern = from->pattern;
	}
	x->change = (struct log_change){.item = x->items,
	    .n = m->subscriptions,
	    .cursor = bayeux_session_cursor(x->bayeux, &x->session),
	    .has_replay = m->wants_replay};
	return exchange_change(x, LOG_SESSION_SUBSCRIBE, m->client_id);
}

enum handled
exchange_unsubscribe(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;
	size_t i;

	for (i = 0; i < m->subscriptions; i++)
		x->items[i].pattern = m->subscription[i].pattern;
	x->change =
	    (struct log_change){.item = x->items, .n = m->subscriptions};
	return exchange_change(x, LOG_SESSION_UNSUBSCRIBE, m->client_id);
}

void
exchange_subscriptions_done(struct bayeux_exchange *x)
{
	struct bayeux_reply reply = exchange_reply_to(x, &x->m);

	reply.is_gap = x->m.kind == BAYEUX_SUBSCRIBE && x->is_gap;
	reply.client_id = x->m.client_id;
	exchange_add_reply(x, &reply);
	bayeux_session_fini(&x->session); /* what was read is no longer so */
}

/* ---- /meta/disconnect ---- */

void
exchange_disconnect_done(struct bayeux_exchange *x)
{
	struct bayeux_advice none = bayeux_advice(x->bayeux->server, 0);
	struct bayeux_reply reply = exchange_reply_to(x, &x->m);

	none.reconnect = BAYEUX_RECONNECT_NONE;
	reply.client_id = x->m.client_id;
	reply.advice = &none;
	x->is_released = true;
	exchange_add_reply(x, &reply);
	bayeux_session_fini(&x->session);
}

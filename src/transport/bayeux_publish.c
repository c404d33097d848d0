/* Publishing over Bayeux, and services. */
#include "transport/exchange.h"

#include "base/clock.h"
#include "transport/ratelimit.h"

#include <stdio.h>
#include <stdlib.h>

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
		exchange_refuse_rc(x, &x->m, RC_NOMEM, "out of memory");
		return true;
	}
	if (x->n_batch == most)
		return false;
	x->batch[x->n_batch] = x->m;
	x->messages[x->n_batch++] = *m;
	x->batch_bytes += m->data.n + m->channel.n + m->event.n + m->id.n;
	return true;
}

enum handled
exchange_store_batch(struct bayeux_exchange *x)
{
	struct server *s = x->bayeux->server;
	enum rc rc;
	size_t i;

	x->append = (struct append){.message = x->messages,
	    .result = x->appended,
	    .n = x->n_batch,
	    .bytes = x->batch_bytes,
	    .done = exchange_appended};
	atomic_fetch_add(&s->publishing, 1);
	rc = store_append(s->store, &x->append, &x->err);
	if (rc == RC_OK)
		return WAITING;
	atomic_fetch_sub(&s->publishing, 1);
	for (i = 0; i < x->n_batch; i++)
		exchange_refuse_rc(x, &x->batch[i], rc, x->err.text);
	x->n_batch = 0;
	return DONE;
}

void
exchange_batch_done(struct bayeux_exchange *x)
{
	struct server *s = x->bayeux->server;
	struct bayeux_reply reply;
	size_t i;

	if (x->rc == RC_OK)
		atomic_fetch_add_explicit(
		    &s->count.published, x->n_batch, memory_order_relaxed);
	for (i = 0; i < x->n_batch; i++) {
		if (x->rc != RC_OK) {
			exchange_refuse_rc(x, &x->batch[i], x->rc, x->err.text);
			continue;
		}
		reply = exchange_reply_to(x, &x->batch[i]);
		exchange_add_reply(x, &reply);
	}
	x->n_batch = x->batch_bytes = 0;
}

enum handled
exchange_publish(struct bayeux_exchange *x)
{
	struct bayeux_message *m = &x->m;

	if (x->publish_refusal != NULL) {
		bayeux_fail(
		    &m->error, 403, m->channel, "%s", x->publish_refusal);
		exchange_refuse(x, m, NULL);
	} else if (!ratelimit_take(
	               x->bayeux->server->ratelimit, x->client, 1)) {
		exchange_refuse_rc(x, m, RC_RATE,
		    "Too many messages from this address "
		    "(option publish-rate)");
	} else if (!put_in_batch(x)) {
		x->is_held_back = true;
		return exchange_store_batch(x);
	}
	return DONE;
}

/* ---- /service: answered to the sender alone ---- */

static void
add_service_reply(struct bayeux_exchange *x, struct slice data, bool is_json)
{
	struct bayeux_reply reply = exchange_reply_to(x, &x->m);
	struct message result = {
	    .channel = x->m.publish.channel, .data = data, .is_json = is_json};

	exchange_add_reply(x, &reply);
	bayeux_answer_next(&x->replies, &x->answer);
	bayeux_add_result(&x->replies, &x->m, &result, x->callback.p != NULL);
}

void
exchange_serve(struct bayeux_exchange *x)
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
		exchange_refuse(x, m, NULL);
	}
}

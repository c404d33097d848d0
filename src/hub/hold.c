/* How readers come, are kept alive, and end. */
#include "hub/inside.h"

#include "base/clock.h"

#include <stdlib.h>

/* The last sign of life, or the last time that one was due. */
static uint64_t
quiet_since_ms(const struct reader *r)
{
	return r->sent_ms > r->beat_ms ? r->sent_ms : r->beat_ms;
}

void
hub_set_timer(struct reader *r)
{
	uint64_t due = r->hold_until_ms;
	uint64_t beat = quiet_since_ms(r) + r->hub->options->heartbeat_ms;

	if (!r->is_answer && beat < due)
		due = beat;
	if (r->client != NULL &&
	    due > uv_now(r->hub->loop) + r->client->tick_ms)
		due = uv_now(r->hub->loop) + r->client->tick_ms;
	wheel_set(&r->hub->wheel, &r->timer, due);
}

/* Its time is over.  retry_ms: what a stream is told to
   wait; 0: as it knows. */
static void
end_hold(struct reader *r, uint32_t retry_ms)
{
	struct buf b;

	if (r->state == READER_PAGING && r->fetch != NULL)
		r->hold_until_ms += 2 * WHEEL_TICK_MS; /* its page is
		                                          on the way */
	else if (!hub_is_flowing(r))
		reader_close(r); /* it doesn't read: nothing
		                    can be ended well */
	else if (!r->is_answer)
		reader_finish(r, retry_ms);
	else {
		buf_init(&b, 0);
		hub_add_answer(&b, r, NULL, 0,
		    r->state == READER_LIVE ? r->hub->tip : r->after);
		if (b.rc == RC_OK)
			reader_answer(r, buf_slice(&b));
		else
			reader_close(r);
		buf_fini(&b);
	}
}

void
hub_on_timer(void *arg, struct timer *t)
{
	struct reader *r =
	    (struct reader *)((char *)t - offsetof(struct reader, timer));
	struct hub *h = arg;
	uint64_t now = uv_now(h->loop);
	struct buf b;

	if (r->is_listener) {
		if (now >= r->hold_until_ms || hub_is_turn_over(r))
			r->client->over(r->client_arg);
	} else if (now >= r->hold_until_ms) {
		end_hold(r, 0);
	} else if (r->client == NULL && !r->is_answer && hub_is_turn_over(r)) {
		end_hold(r, clock_jitter_ms((uint32_t)h->options->turn_ms / 2));
	} else if (!r->is_answer && !r->is_silent && r->state == READER_LIVE &&
	    now >= quiet_since_ms(r) + h->options->heartbeat_ms) {
		buf_init(&b, 0);
		encode_heartbeat(&b, &r->how, h->tip);
		if (b.rc == RC_OK)
			reader_say(r, buf_slice(&b));
		buf_fini(&b);
		r->beat_ms = now; /* also when the socket is
		                     full: no hurry then */
	} else if (now >= quiet_since_ms(r) + h->options->heartbeat_ms) {
		r->beat_ms = now; /* behind: it gets messages instead */
	}
	if (r->state != READER_ENDED && r->client != NULL)
		r->client->tick(r->client_arg);
	if (r->state != READER_ENDED)
		hub_set_timer(r);
}

bool
hub_claim(struct hub *h, struct slice client, uint32_t *place)
{
	*place = BUDGET_NONE;
	if (atomic_fetch_add(&h->claims, 1) < h->options->max_held &&
	    budget_claim(h->budget, client, place))
		return true;
	atomic_fetch_sub(&h->claims, 1);
	return false;
}

void
hub_unclaim(struct hub *h, uint32_t place)
{
	budget_release(h->budget, place);
	atomic_fetch_sub(&h->claims, 1);
}

void
hub_set_over(struct reader *r, uint64_t at_ms)
{
	r->hold_until_ms = at_ms < UINT64_MAX / 2 ? at_ms : UINT64_MAX / 2;
	hub_set_timer(r);
}

bool
hub_is_turn_over(const struct reader *r)
{
	const struct hub *h = r->hub;

	return uv_now(h->loop) >= r->began_ms + h->options->turn_ms &&
	    budget_is_short(h->budget);
}

void
hub_budget_figures(struct hub *h, uint32_t *places, uint32_t *taken)
{
	budget_figures(h->budget, places, taken);
}

/* Copies what the spec only lends. */
static enum rc
copy_spec(struct reader *r, const struct hub_reader *spec)
{
	char *p;

	if (spec->how.callback.p != NULL) {
		if ((p = malloc(spec->how.callback.n + 1)) == NULL)
			return RC_NOMEM;
		memcpy(p, spec->how.callback.p, spec->how.callback.n);
		r->how.callback.p = p;
	}
	if (spec->is_answer) {
		if ((p = malloc(spec->head.n + 1)) == NULL)
			return RC_NOMEM;
		memcpy(p, spec->head.p, spec->head.n);
		r->head = (struct slice){p, spec->head.n};
	}
	return RC_OK;
}

/* Sends the head and what opens the body. */
static void
open_answer(struct reader *r, const struct hub_reader *spec)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add_slice(&b, spec->head);
	if (r->interest.what.n > 0 && !r->is_listener) /* a WebSocket may
	                                                  have none yet */
		encode_opening(
		    &b, &r->how, r->after, spec->retry_ms, r->has_gap);
	if (b.rc != RC_OK || (b.n > 0 && !reader_say(r, buf_slice(&b))))
		reader_close(r);
	if (r->has_gap)
		count(&r->hub->figures.gaps, 1);
	r->has_gap = false;
	buf_fini(&b);
}

/* A reader of nothing yet, in the hub's list.  Takes what and place, and the
   outlet where it succeeds. */
static struct reader *
make_reader(struct hub *h, struct hub_reader *spec, struct err *e)
{
	struct reader *r = calloc(1, sizeof *r);
	int code = r == NULL ? UV_ENOMEM
	                     : uv_poll_init(h->loop, &r->poll, spec->outlet.fd);

	if (code != 0) {
		err_set(e, code == UV_ENOMEM ? RC_NOMEM : RC_IO,
		    "a connection can't be watched: %s", uv_strerror(code));
		free(r);
		pattern_set_fini(&spec->what);
		hub_unclaim(h, spec->place);
		return NULL;
	}
	r->hub = h;
	r->outlet = spec->outlet;
	r->interest.what = spec->what;
	r->how = spec->how;
	r->how.callback = (struct slice){0};
	r->is_answer = spec->is_answer;
	r->is_silent = spec->is_silent;
	r->is_listener = spec->is_listener;
	r->limit = spec->limit;
	r->place = spec->place;
	r->sent_ms = r->began_ms = uv_now(h->loop);
	r->hold_until_ms = r->sent_ms + spec->hold_ms;
	r->state = READER_BLOCKED;
	r->next = h->readers;
	r->link = &h->readers;
	if (r->next != NULL)
		r->next->link = &r->next;
	h->readers = r;
	atomic_store_explicit(
	    &h->figures.held, ++h->n_readers, memory_order_relaxed);
	count(&h->figures.held_total, 1);
	return r;
}

/* Compressed forms share the hub's deflater. */
static enum rc
set_form(struct hub *h, struct reader *r)
{
	struct err e;

	if (r->how.form != FORM_WS_DEFLATE)
		return RC_OK;
	if (h->deflater == NULL &&
	    deflater_new(&h->deflater, DEFLATE_WINDOW_BITS, &e) != RC_OK)
		return RC_NOMEM;
	r->how.deflater = h->deflater;
	return RC_OK;
}

/* The seq to begin behind, once the hub is at the log's newest. */
static void
set_start(struct hub *h, struct reader *r, const struct hub_reader *spec)
{
	r->has_gap = spec->has_gap;
	r->after = spec->is_now ? h->tip : spec->after;
	if (r->after > h->tip) {
		r->has_gap = true;
		r->after = 0;
	}
	if (!spec->is_now && spec->how.epoch != h->epoch) {
		r->has_gap = true; /* the log was replaced a moment ago */
		r->after = 0;
	}
	r->gap_told = spec->gap_known;
	r->interest.base = r->after;
}

/* Joins its channels; finds out where the log is, if nobody else is held. */
static enum rc
settle(struct hub *h, struct reader *r, const struct hub_reader *spec,
    bool is_first, struct err *e)
{
	enum rc rc;

	if (copy_spec(r, spec) != RC_OK || reader_join(r) != RC_OK ||
	    set_form(h, r) != RC_OK)
		return err_set(e, RC_NOMEM, "out of memory");
	if (is_first && (rc = hub_wake_up(h, e)) != RC_OK)
		return rc;
	r->how.epoch = h->epoch;
	if (!is_first)
		hub_sync(h);
	return RC_OK;
}

/* A reader that stands where it begins; NULL: it failed, and
   spec has the outlet. */
static struct reader *
start_reader(struct hub *h, struct hub_reader *spec, struct err *e)
{
	bool is_first = h->n_readers == 0;
	struct reader *r = make_reader(h, spec, e);

	if (r == NULL)
		return NULL;
	r->how.callback.n = spec->how.callback.n;
	if (settle(h, r, spec, is_first, e) != RC_OK) {
		spec->outlet = reader_retire(r);
		return NULL;
	}
	set_start(h, r, spec);
	hub_set_timer(r);
	reader_watch(r, false);
	return r;
}

/* A page that is on its way isn't waited for. */
static void
drain(struct reader *r)
{
	if (r->state == READER_PAGING)
		fetch_forget(r);
	if (r->state == READER_PAGING)
		r->state = READER_BLOCKED;
	if (r->is_listener)
		r->client->over(r->client_arg);
	else if (r->client != NULL)
		reader_close(r);
	else
		end_hold(r, 0);
}

enum rc
hub_hold(struct hub *h, struct hub_reader *spec, struct err *e)
{
	struct reader *r = start_reader(h, spec, e);

	if (r == NULL)
		return e->rc;
	if (!r->is_answer)
		open_answer(r, spec);
	if (r->state != READER_ENDED)
		hub_feed(r);
	if (r->state != READER_ENDED && h->is_draining)
		drain(r);
	return RC_OK;
}

enum rc
hub_attach(struct hub *h, struct hub_reader *spec,
    const struct hub_client *client, void *arg, struct reader **out,
    struct err *e)
{
	struct reader *r;

	*out = NULL;
	if (h->is_draining) {
		pattern_set_fini(&spec->what);
		hub_unclaim(h, spec->place);
		return err_set(e, RC_BUSY, "the server stops");
	}
	if ((r = start_reader(h, spec, e)) == NULL)
		return e->rc;
	open_answer(r, spec);
	if (r->state == READER_ENDED)
		return err_set(e, RC_GONE, "the client has left");
	*out = r;
	r->client = client;
	r->client_arg = arg;
	hub_set_timer(r);
	if (r->state == READER_BLOCKED)
		reader_watch(r, true); /* there is room: the
		                          loop feeds it soon */
	return RC_OK;
}

void
hub_drain(struct hub *h)
{
	struct reader *r, *next;

	h->is_draining = true;
	for (r = h->readers; r != NULL; r = next) {
		next = r->next;
		drain(r);
	}
}

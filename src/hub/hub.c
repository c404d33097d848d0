#include "hub/inside.h"

#include "base/clock.h"
#include "base/cursor.h"
#include "base/diag.h"

#include <stdlib.h>

/* Further behind than this, the hub lets pages feed everybody instead of
   pulling all of it through the ring. */
#define JUMP_MESSAGES 20000

static void on_tick(uv_timer_t *timer);

/* Everybody is behind from `after` on; the ring starts anew at tip. */
static void
jump(struct hub *h, uint64_t after, uint64_t tip)
{
	struct reader *r, *next;

	ring_clear(&h->ring);
	h->tip = tip;
	for (r = h->readers; r != NULL; r = next) {
		next = r->next;
		if (r->state != READER_LIVE || r->interest.what.n == 0)
			continue;
		r->after = after;
		if (r->is_listener)
			r->client->news(r->client_arg);
		else
			fetch_start(r);
	}
}

/* Another log lies at the path: every cursor is void. */
static void
start_over(struct hub *h, const struct log_tip *tip)
{
	struct reader *r, *next;

	diag(DIAG_WARN,
	    "the log was replaced: readers start over in epoch %08x",
	    tip->epoch);
	ring_clear(&h->ring);
	h->epoch = tip->epoch;
	h->tip = tip->seq;
	for (r = h->readers; r != NULL; r = next) {
		next = r->next;
		if (r->partial.seq != 0) {
			reader_close(r); /* the rest of its message is gone */
			continue;
		}
		r->how.epoch = tip->epoch;
		interest_start_over(&r->interest);
		r->after = r->gap_told = 0;
		r->has_gap = r->interest.what.n > 0 && !r->is_listener;
		if (r->state == READER_LIVE && r->has_gap)
			fetch_start(r);
		else if (r->state == READER_LIVE && r->is_listener)
			r->client->news(r->client_arg);
	}
}

/* One message of the log for the ring. */
static bool
take_message(void *arg, const struct message *m)
{
	struct hub *h = arg;
	uint64_t expected =
	    h->n_batch == 0 ? h->tip + 1 : h->batch[h->n_batch - 1]->m.seq + 1;

	if (m->seq != expected ||
	    ring_add(&h->ring, m, &h->batch[h->n_batch]) != RC_OK) {
		h->has_hole = true;
		return false;
	}
	return ++h->n_batch < HUB_BATCH;
}

/* Reads and delivers one batch.  False when there is nothing more. */
static bool
read_batch(struct hub *h)
{
	struct log_query q = {.after = h->tip,
	    .max_messages = HUB_BATCH,
	    .max_bytes = h->options->ring_bytes / 2 + 1};
	struct log_page page;
	struct err e;

	h->n_batch = 0;
	h->has_hole = false;
	if (log_read(h->log, &q, take_message, h, &page, &e) != RC_OK) {
		diag(DIAG_WARN, "reading new messages: %s", e.text);
		h->n_batch = 0;
		jump(h, h->tip, h->tip);
		return false;
	}
	if (page.tip.epoch != h->epoch) {
		h->n_batch = 0;
		start_over(h, &page.tip);
		return false;
	}
	if (page.tip.seq > h->tip + JUMP_MESSAGES) {
		h->n_batch = 0;
		jump(h, h->tip, page.tip.seq);
		return false;
	}
	if (page.n == 0 && !h->has_hole && page.tip.seq > h->tip)
		h->has_hole = true; /* all of it is deleted already */
	hub_deliver(h);
	if (h->has_hole) { /* some were deleted: pages find out whose */
		jump(h, h->tip, page.tip.seq);
		return false;
	}
	return h->tip < page.tip.seq;
}

/* After all that is known was delivered. */
static void
note_synced(struct hub *h)
{
	atomic_store_explicit(
	    &h->figures.ring_messages, h->ring.n, memory_order_relaxed);
	atomic_store_explicit(
	    &h->figures.ring_bytes, h->ring.bytes, memory_order_relaxed);
	h->is_syncing = false;
	if (h->synced != NULL)
		h->synced(h->synced_arg);
}

void
hub_sync(struct hub *h)
{
	if (h->is_syncing || h->n_readers == 0)
		return;
	h->is_syncing = true;
	while (read_batch(h))
		;
	note_synced(h);
}

/* Delivers the list as far as it goes on from the tip without a hole.  True:
   all of it. */
static bool
deliver_handed(struct hub *h, const struct handed *list)
{
	h->is_syncing = true;
	h->n_batch = 0;
	h->has_hole = false;
	for (; list != NULL && list->epoch == h->epoch; list = list->next) {
		if (list->m.seq <= h->tip)
			continue; /* read from the log meanwhile */
		if (!take_message(h, &list->m) && !h->has_hole)
			hub_deliver(h);
		if (h->has_hole)
			break; /* another process stored something between */
	}
	hub_deliver(h);
	note_synced(h);
	return list == NULL;
}

/* This process's own news.  What they don't tell is read from the log. */
static void
on_handed(void *arg)
{
	struct hub *h = arg;
	bool is_whole;
	struct handed *list = handoff_take(h->handoff, &is_whole);
	bool is_done = list != NULL && is_whole && h->n_readers > 0 &&
	    deliver_handed(h, list);

	handoff_drop(list);
	if (!is_done)
		hub_sync(h);
}

/* Does the wake file tell of what the hub had from the log already?  If two
   processes write at once it may tell less than the log has. */
static bool
is_known(void *arg)
{
	struct hub *h = arg;
	struct log_tip told;

	return log_told(h->log, &told) && told.epoch == h->epoch &&
	    told.seq <= h->tip;
}

void
hub_on_sync(struct hub *h, void (*fn)(void *arg), void *arg)
{
	h->synced = fn;
	h->synced_arg = arg;
}

bool
hub_recent(struct hub *h, uint64_t after,
    bool (*fn)(void *arg, struct entry *en, const struct message *m), void *arg,
    uint64_t *reached)
{
	struct entry *en;

	*reached = after;
	if (after > h->tip ||
	    (after < h->tip && ring_find(&h->ring, after + 1) == NULL))
		return false;
	while (*reached < h->tip &&
	    (en = ring_find(&h->ring, *reached + 1)) != NULL &&
	    fn(arg, en, &en->m))
		++*reached;
	return true;
}

enum rc
hub_encoded(struct hub *h, struct entry *en, const struct encode *how,
    struct slice *out)
{
	return ring_encode(&h->ring, en, how, out);
}

uint64_t
hub_newest(const struct hub *h, uint32_t *epoch)
{
	*epoch = h->epoch;
	return h->tip;
}

enum rc
hub_wake_up(struct hub *h, struct err *e)
{
	struct log_tip tip;
	enum rc rc = log_tip(h->log, &tip, e);

	if (rc != RC_OK)
		return rc;
	ring_clear(&h->ring);
	h->tip = tip.seq;
	h->epoch = tip.epoch;
	wheel_init(&h->wheel, uv_now(h->loop));
	uv_timer_start(&h->tick, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
	wake_set(h->wake, true);
	atomic_store(&h->is_awake, true);
	return RC_OK;
}

void
hub_sleep(struct hub *h)
{
	atomic_store(&h->is_awake, false);
	uv_timer_stop(&h->tick);
	wake_set(h->wake, false);
	ring_clear(&h->ring);
}

static void
on_tick(uv_timer_t *timer)
{
	struct hub *h = timer->data;

	wheel_run(&h->wheel, uv_now(h->loop), hub_on_timer, h);
}

static void
on_look(void *arg)
{
	hub_sync(arg);
}

void
hub_committed(struct hub *h, const struct append *list)
{
	if (atomic_load(&h->is_awake))
		handoff_put(h->handoff, list);
}

void
hub_figures(struct hub *h, struct hub_figures *f)
{
	struct hub_counters *c = &h->figures;

	*f = (struct hub_figures){
	    .held = atomic_load_explicit(&c->held, memory_order_relaxed),
	    .held_total =
	        atomic_load_explicit(&c->held_total, memory_order_relaxed),
	    .deliveries =
	        atomic_load_explicit(&c->deliveries, memory_order_relaxed),
	    .sent_bytes =
	        atomic_load_explicit(&c->sent_bytes, memory_order_relaxed),
	    .pages = atomic_load_explicit(&c->pages, memory_order_relaxed),
	    .gaps = atomic_load_explicit(&c->gaps, memory_order_relaxed),
	    .ring_messages =
	        atomic_load_explicit(&c->ring_messages, memory_order_relaxed),
	    .ring_bytes =
	        atomic_load_explicit(&c->ring_bytes, memory_order_relaxed),
	};
}

uint64_t
hub_subscribers(struct hub *h, struct slice channel)
{
	uint64_t n;

	pthread_mutex_lock(&h->topics_lock);
	n = topics_count(&h->topics, channel);
	pthread_mutex_unlock(&h->topics_lock);
	return n;
}

/* The budget's file lies beside the log. */
static enum rc
open_budget(struct hub *h, struct err *e)
{
	char *path;
	enum rc rc;

	if (asprintf(&path, "%s-held", log_path(store_log(h->store))) < 0)
		return err_set(e, RC_NOMEM, "no memory for the hub");
	rc = budget_new(&h->budget, path, h->options, e);
	free(path);
	return rc;
}

enum rc
hub_new(struct hub **out, uv_loop_t *loop, const struct options *o,
    struct store *s, struct outbox *box, struct err *e)
{
	struct hub *h = calloc(1, sizeof *h);
	struct log *l = store_log(s);
	enum rc rc;

	*out = NULL;
	if (h == NULL)
		return err_set(e, RC_NOMEM, "no memory for the hub");
	h->loop = loop;
	h->options = o;
	h->store = s;
	h->box = box;
	ring_init(&h->ring, o->ring_bytes);
	topics_init(&h->topics);
	fetches_init(&h->fetches, (uint32_t)o->fetches);
	pthread_mutex_init(&h->topics_lock, NULL);
	if ((rc = open_budget(h, e)) != RC_OK ||
	    (rc = log_reader_open(l, &h->log, e)) != RC_OK ||
	    (rc = wake_new(&h->wake, loop, log_wake_path(l), log_change_path(l),
	         on_look, is_known, h, e)) != RC_OK ||
	    (rc = handoff_new(&h->handoff, loop, o->ring_bytes / 4, on_handed,
	         h, e)) != RC_OK) {
		wake_free(h->wake);
		log_reader_close(h->log);
		budget_free(h->budget);
		pthread_mutex_destroy(&h->topics_lock);
		free(h);
		return rc;
	}
	uv_timer_init(loop, &h->tick);
	h->tick.data = h;
	*out = h;
	return RC_OK;
}

static void
closed(uv_handle_t *handle)
{
	struct hub *h = handle->data;

	h->closing--;
	hub_let_go(h);
}

void
hub_let_go(struct hub *h)
{
	if (!h->is_ending || h->closing > 0 || h->fetches.running > 0)
		return;
	log_reader_close(h->log);
	deflater_free(h->deflater);
	budget_free(h->budget);
	ring_fini(&h->ring);
	topics_fini(&h->topics);
	pthread_mutex_destroy(&h->topics_lock);
	free(h);
}

void
hub_free(struct hub *h)
{
	if (h == NULL)
		return;
	while (h->readers != NULL)
		reader_close(h->readers);
	h->closing = 1;
	h->is_ending = true;
	wake_free(h->wake);
	handoff_free(h->handoff);
	uv_close((uv_handle_t *)&h->tick, closed);
}

#include "transport/bayeux.h"

#include "base/clock.h"

#include <stdlib.h>

/* Messages in one answer at most. */
#define ANSWER_MESSAGES 500

/* Who finds no place comes back by polling, after so long (jittered). */
#define DEGRADED_INTERVAL_MS 4000

/* Who shares a browser with a client that waits polls so often (jittered). */
#define SIBLING_INTERVAL_MS 2000

struct bayeux_wait *
bayeux_wait_new(struct bayeux_exchange *x)
{
	struct bayeux_wait *w = calloc(1, sizeof *w);
	struct server *s = x->bayeux->server;
	uint64_t timeout_ms = s->options->longpoll_timeout_ms;

	if (w == NULL)
		return NULL;
	if (x->connect.has_timeout && x->connect.timeout_ms < timeout_ms)
		timeout_ms = x->connect.timeout_ms;
	if (timeout_ms > s->options->longpoll_max_ms)
		timeout_ms = s->options->longpoll_max_ms;
	w->x = x;
	w->cursor = bayeux_session_cursor(x->bayeux, &x->session);
	w->is_gap = x->session.is_gap;
	w->epoch = x->session.row.tip.epoch;
	w->until_ms = uv_now(s->loop) + timeout_ms;
	w->is_over = x->is_first_connect || x->has_replies || timeout_ms == 0;
	buf_init(&w->events, 0);
	w->next = x->bayeux->waits;
	w->link = &x->bayeux->waits;
	if (w->next != NULL)
		w->next->link = &w->next;
	x->bayeux->waits = w;
	return w;
}

void
bayeux_wait_free(struct bayeux_wait *w)
{
	*w->link = w->next;
	if (w->next != NULL)
		w->next->link = w->link;
	if (w->sibling_link != NULL) {
		*w->sibling_link = w->sibling;
		if (w->sibling != NULL)
			w->sibling->sibling_link = w->sibling_link;
	}
	pattern_set_fini(&w->what);
	buf_fini(&w->events);
	bayeux_exchange_free(w->x);
	free(w);
}

/* The list of the connects whose browser may be this. */
static struct bayeux_wait **
list_of(struct bayeux *b, struct slice browser)
{
	return &b->by_browser[slice_hash(0, browser) % BAYEUX_BROWSER_LISTS];
}

/* Another client of the same browser, which the mark says nothing about? */
static bool
is_sibling(const struct bayeux_session *s, const struct bayeux_session *other)
{
	return slice_is(slice_after(s->row.browser, 1),
	    slice_after(other->row.browser, 1)) &&
	    memcmp(s->id, other->id, sizeof s->id) != 0;
}

void
bayeux_wait_share(struct bayeux_wait *w)
{
	struct bayeux *b = w->x->bayeux;
	struct bayeux_session *s = &w->x->session;
	struct bayeux_wait **list, *other;
	uint32_t n = 0;

	if (s->row.browser.n != BAYEUX_BROWSER_BYTES)
		return;
	list = list_of(b, slice_after(s->row.browser, 1));
	for (other = *list; other != NULL; other = other->sibling)
		n += is_sibling(s, &other->x->session);
	if (n >= b->server->options->bayeux_browser_held) {
		w->has_siblings = w->is_over = true;
		w->interval_ms = clock_jitter_ms(SIBLING_INTERVAL_MS);
		return;
	}
	w->sibling = *list;
	w->sibling_link = list;
	if (w->sibling != NULL)
		w->sibling->sibling_link = &w->sibling;
	*list = w;
}

/* ---- what is found ---- */

static bool
gather(void *arg, const struct message *m)
{
	struct bayeux_wait *w = arg;

	if (!bayeux_session_wants(&w->x->session, m))
		return true;
	bayeux_answer_next(&w->events, &w->x->answer);
	bayeux_add_event(&w->events, m, w->x->session.row.has_replay,
	    w->x->callback.p != NULL);
	w->n++;
	return w->n < ANSWER_MESSAGES && w->events.rc == RC_OK &&
	    w->events.n < w->x->bayeux->server->options->answer_bytes;
}

/* One that memory still has.  False: the next one stays for another time. */
static bool
take(void *arg, struct entry *en, const struct message *m)
{
	struct bayeux_wait *w = arg;

	if (w->push == NULL)
		return gather(w, m);
	return !bayeux_session_wants(&w->x->session, m) || w->push(w, en, m);
}

/* Is another connect the newest now? */
static bool
is_superseded(const struct bayeux_wait *w)
{
	uint32_t serial;

	return slots_serial(w->x->bayeux->slots, w->x->session.slot,
	    &serial) && serial != w->x->serial;
}

bool
bayeux_wait_is_outdated(const struct bayeux_wait *w)
{
	uint32_t version;

	return is_superseded(w) || !slots_version(w->x->bayeux->slots,
	    w->x->session.slot, &version) || version != w->x->version;
}

void
bayeux_look_around(struct bayeux *b)
{
	struct bayeux_wait *w, *next;
	uint64_t changes;

	if (b->waits == NULL)
		return;
	changes = slots_changes(b->slots);
	if (changes == b->changes)
		return;
	b->changes = changes;
	for (w = b->waits; w != NULL; w = next) {
		next = w->next;
		if (bayeux_wait_is_outdated(w))
			bayeux_wait_look(w);
	}
}

/* ---- pages of history ---- */

static void
read_page(uv_work_t *work)
{
	struct bayeux_wait *w = (struct bayeux_wait *)((char *)work -
	    offsetof(struct bayeux_wait, work));
	struct server *s = w->x->bayeux->server;
	struct log_query q = {.what = &w->what, .after = w->cursor,
	    .max_messages = ANSWER_MESSAGES,
	    .max_bytes = s->options->answer_bytes,
	    .max_scan = (uint32_t)s->options->page_scan};
	struct log_reader *r;

	w->rc = store_borrow(s->store, &r, &w->err);
	if (w->rc != RC_OK)
		return;
	w->rc = log_read(r, &q, gather, w, &w->page, &w->err);
	store_return(s->store, r);
}

static void
page_read(uv_work_t *work, int status)
{
	struct bayeux_wait *w = (struct bayeux_wait *)((char *)work -
	    offsetof(struct bayeux_wait, work));

	(void)status;
	w->is_reading = false;
	pattern_set_fini(&w->what);
	atomic_fetch_sub(&w->x->bayeux->server->working, 1);
	if (w->is_left) {
		bayeux_wait_free(w);
		return;
	}
	if (w->rc == RC_OK) {
		if (w->page.tip.epoch != w->epoch && !w->is_gap) {
			w->is_gap = true; /* the log was replaced just now */
			w->cursor = 0;
			w->epoch = w->page.tip.epoch;
			w->n = 0;
			buf_clear(&w->events);
			bayeux_wait_look(w);
			return;
		}
		w->is_gap = w->is_gap || w->page.kept_after > w->cursor;
		w->epoch = w->page.tip.epoch;
		w->cursor = w->page.reached;
	} else {
		w->is_over = true; /* it comes back and tries again */
		w->interval_ms = clock_jitter_ms(DEGRADED_INTERVAL_MS);
	}
	if (w->n > 0 || w->is_gap || w->is_over || w->page.is_more)
		w->answered(w);
	else
		bayeux_wait_look(w);
}

static void
start_page(struct bayeux_wait *w)
{
	struct server *s = w->x->bayeux->server;

	w->rc = bayeux_session_patterns(&w->x->session, &w->what, &w->err);
	if (w->rc != RC_OK) { /* it comes back and tries again */
		w->interval_ms = clock_jitter_ms(DEGRADED_INTERVAL_MS);
		return;
	}
	w->is_reading = true;
	atomic_fetch_add(&s->working, 1);
	uv_queue_work(s->loop, &w->work, read_page, page_read);
}

/* ---- looking ---- */

/* Takes what memory has behind the cursor.  False: a page must be read. */
static bool
look_in_memory(struct bayeux_wait *w)
{
	struct hub *h = w->x->bayeux->server->hub;
	uint32_t epoch;
	uint64_t reached;

	if (w->reader == NULL)
		return false;
	if (w->cursor > hub_newest(h, &epoch))
		hub_sync(h); /* a page has read further */
	if (hub_newest(h, &epoch) < w->cursor || epoch != w->epoch ||
	    !hub_recent(h, w->cursor, take, w, &reached))
		return false;
	w->cursor = reached;
	return true;
}

/* Who finds no place is answered at once, and polls. */
static bool
hold(struct bayeux_wait *w)
{
	struct server *s = w->x->bayeux->server;

	if (w->reader != NULL || w->is_over)
		return true;
	if (w->hold(w))
		return !w->is_left;
	atomic_fetch_add_explicit(&s->count.degraded, 1, memory_order_relaxed);
	w->is_over = true;
	w->interval_ms = clock_jitter_ms(DEGRADED_INTERVAL_MS);
	return true;
}

/* True: it is to be answered now. */
static bool
look(struct bayeux_wait *w)
{
	if (bayeux_wait_is_outdated(w)) {
		if (is_superseded(w)) /* its client has gone on without it */
			w->interval_ms = clock_jitter_ms(DEGRADED_INTERVAL_MS);
		return true;
	}
	if (!hold(w))
		return false;
	if (w->x->session.row.n == 0 && !w->is_gap)
		return w->is_over; /* held for nothing but its timeout */
	if (!look_in_memory(w)) {
		start_page(w);
		return w->rc != RC_OK;
	}
	if (w->push != NULL && !w->is_left)
		slots_advance(w->x->bayeux->slots, w->x->session.slot,
		    w->cursor);
	return w->n > 0 || w->is_over || w->is_gap;
}

void
bayeux_wait_look(struct bayeux_wait *w)
{
	bool is_answered;

	if (w->is_reading || w->is_left || w->is_busy)
		return;
	w->is_busy = true;
	is_answered = look(w);
	w->is_busy = false;
	if (w->is_left)
		bayeux_wait_free(w);
	else if (is_answered)
		w->answered(w);
}

void
bayeux_wait_over(struct bayeux_wait *w)
{
	w->is_over = true;
	if (!w->is_reading && !w->is_busy && !w->is_left)
		w->answered(w);
}

void
bayeux_wait_leave(struct bayeux_wait *w)
{
	w->reader = NULL;
	w->is_left = true;
	if (!w->is_reading && !w->is_busy)
		bayeux_wait_free(w);
}

/* ---- the answer ---- */

void
bayeux_wait_compose(struct bayeux_wait *w, struct buf *b)
{
	struct bayeux_exchange *x = w->x;
	struct bayeux_session *s = &x->session;
	struct bayeux_advice advice = bayeux_advice(x->bayeux->server,
	    w->interval_ms);
	struct bayeux_reply reply = bayeux_reply_to(&x->connect);

	advice.has_multiple_clients = w->has_siblings;
	reply.client_id = (struct slice){s->id, s->id_n};
	reply.advice = &advice;
	reply.received_ms = x->received_ms;
	reply.waited_ms = clock_unix_ms() - x->received_ms;
	reply.has_ack = s->row.has_ack;
	reply.ack = w->cursor;
	reply.is_gap = reply.has_cursor = w->is_gap;
	reply.cursor = (struct cursor){.seq = w->cursor, .epoch = w->epoch,
	    .has_epoch = true};
	buf_add_slice(b, buf_slice(&x->replies));
	if (is_superseded(w)) /* the newer one gives the events */
		x->answer.is_first = !x->has_replies;
	else
		buf_add_slice(b, buf_slice(&w->events));
	bayeux_answer_next(b, &x->answer);
	bayeux_add_reply(b, &reply, x->callback.p != NULL);
	bayeux_answer_end(b, &x->answer);
	if (w->events.rc != RC_OK || x->replies.rc != RC_OK)
		b->rc = RC_NOMEM;
	if (b->rc != RC_OK || is_superseded(w))
		return;
	if (!s->row.has_ack || w->is_gap)
		slots_advance(x->bayeux->slots, s->slot, w->cursor);
	bayeux_session_seen(x->bayeux, s, w->epoch);
}

void
bayeux_wait_stand(struct bayeux_wait *w)
{
	struct bayeux_exchange *x = w->x;

	w->is_standing = true;
	w->is_over = w->is_gap = false;
	w->n = 0;
	buf_clear(&w->events);
	buf_clear(&x->replies);
	bayeux_answer_begin(&x->replies, &x->answer, x->callback);
}

void
bayeux_wait_compose_events(struct bayeux_wait *w, struct buf *b)
{
	struct bayeux_exchange *x = w->x;

	buf_add_slice(b, buf_slice(&x->replies));
	buf_add_slice(b, buf_slice(&w->events));
	bayeux_answer_end(b, &x->answer);
	if (w->events.rc != RC_OK || x->replies.rc != RC_OK)
		b->rc = RC_NOMEM;
	if (b->rc == RC_OK)
		slots_advance(x->bayeux->slots, x->session.slot, w->cursor);
}

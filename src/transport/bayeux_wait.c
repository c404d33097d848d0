#include "transport/bayeux.h"

#include "base/clock.h"

#include <stdlib.h>

/* Messages in one answer at most. */
#define ANSWER_MESSAGES 500

/* Who finds no place comes back by polling, after so long (jittered). */
#define DEGRADED_INTERVAL_MS 4000

/* Who shares a browser with a client that waits polls so often (jittered). */
#define SIBLING_INTERVAL_MS 2000

/* A page of history on its way, through the pool. */
struct bayeux_page {
	uv_work_t work; /* first: what libuv gives back */
	struct bayeux_wait *wait;
	struct pattern_set what;
	struct log_page page;
	enum rc rc;
	struct err err;
};

/* Copies what the answer echoes. */
static bool
copy_texts(struct bayeux_wait *w, const struct bayeux_exchange *x)
{
	char *to = malloc(x->connect.id.n + x->callback.n + x->replies.n + 1);

	w->text = to;
	if (to == NULL || x->replies.rc != RC_OK)
		return false;
	w->id = slice_copy(&to, x->connect.id);
	w->callback = slice_copy(&to, x->callback);
	w->replies = slice_copy(&to, buf_slice(&x->replies));
	w->answer = x->answer;
	w->answer.callback = w->callback;
	return true;
}

static uint64_t
timeout_of(const struct bayeux_exchange *x)
{
	const struct options *o = x->bayeux->server->options;
	uint64_t ms = o->longpoll_timeout_ms;

	if (x->connect.has_timeout && x->connect.timeout_ms < ms)
		ms = x->connect.timeout_ms;
	return ms < o->longpoll_max_ms ? ms : o->longpoll_max_ms;
}

struct bayeux_wait *
bayeux_wait_new(struct bayeux_exchange *x)
{
	struct bayeux_wait *w = calloc(1, sizeof *w);
	struct bayeux *b = x->bayeux;
	uint64_t timeout_ms = timeout_of(x);

	if (w == NULL || !copy_texts(w, x)) {
		if (w != NULL)
			free(w->text);
		free(w);
		return NULL;
	}
	w->bayeux = b;
	w->session = x->session;
	x->session = (struct bayeux_session){.id_n = 0};
	w->serial = x->serial;
	w->version = w->session.version;
	w->has_replies = x->has_replies;
	w->has_timesync = x->connect.has_timesync;
	w->timesync = x->connect.timesync;
	w->received_ms = x->received_ms;
	w->cursor = w->given = bayeux_session_cursor(b, &w->session);
	w->is_gap = w->session.is_gap;
	w->epoch = w->session.row.tip.epoch;
	w->until_ms = uv_now(b->server->loop) + timeout_ms;
	w->is_over = x->is_first_connect || x->has_replies || timeout_ms == 0;
	buf_init(&w->events, 0);
	w->next = b->waits;
	w->link = &b->waits;
	if (w->next != NULL)
		w->next->link = &w->next;
	b->waits = w;
	bayeux_exchange_free(x);
	return w;
}

void
bayeux_wait_free(struct bayeux_wait *w)
{
	slots_end_connect(w->bayeux->slots, w->session.slot, w->serial);
	*w->link = w->next;
	if (w->next != NULL)
		w->next->link = w->link;
	if (w->sibling_link != NULL) {
		*w->sibling_link = w->sibling;
		if (w->sibling != NULL)
			w->sibling->sibling_link = w->sibling_link;
	}
	bayeux_session_keep(w->bayeux, &w->session);
	buf_fini(&w->events);
	free(w->text);
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
	struct bayeux *b = w->bayeux;
	struct bayeux_session *s = &w->session;
	struct bayeux_wait **list, *other;
	uint32_t n = 0;

	if (s->row.browser.n != BAYEUX_BROWSER_BYTES)
		return;
	list = list_of(b, slice_after(s->row.browser, 1));
	for (other = *list; other != NULL; other = other->sibling)
		n += is_sibling(s, &other->session);
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

/* Has one answer all that it may have? */
static bool
is_full(const struct bayeux_wait *w)
{
	return w->n >= ANSWER_MESSAGES || w->events.rc != RC_OK ||
	    w->events.n >= w->bayeux->server->options->answer_bytes;
}

/* One of a page.  False: it was the last. */
static bool
gather(void *arg, const struct message *m)
{
	struct bayeux_wait *w = arg;

	if (!bayeux_session_wants(&w->session, m))
		return true;
	bayeux_answer_next(&w->events, &w->answer);
	bayeux_add_event(
	    &w->events, m, w->session.row.has_replay, w->callback.p != NULL);
	w->n++;
	return !is_full(w);
}

/* One that memory still has.  False: the next one stays for another time. */
static bool
take(void *arg, struct entry *en, const struct message *m)
{
	struct bayeux_wait *w = arg;

	if (w->push == NULL && is_full(w))
		return false;
	if (w->push == NULL) {
		(void)gather(w, m);
		return true;
	}
	return !bayeux_session_wants(&w->session, m) || w->push(w, en, m);
}

/* Is another connect the newest now? */
static bool
is_superseded(const struct bayeux_wait *w)
{
	uint32_t serial;

	return slots_serial(w->bayeux->slots, w->session.slot, &serial) &&
	    serial != w->serial;
}

bool
bayeux_wait_is_outdated(const struct bayeux_wait *w)
{
	uint32_t version;

	return is_superseded(w) ||
	    !slots_version(w->bayeux->slots, w->session.slot, &version) ||
	    version != w->version;
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
	struct bayeux_page *p = (struct bayeux_page *)work;
	struct bayeux_wait *w = p->wait;
	struct server *s = w->bayeux->server;
	struct log_query q = {.what = &p->what,
	    .after = w->cursor,
	    .max_messages = ANSWER_MESSAGES,
	    .max_bytes = s->options->answer_bytes,
	    .max_scan = (uint32_t)s->options->page_scan};
	struct log_reader *r;

	p->rc = store_borrow(s->store, &r, &p->err);
	if (p->rc != RC_OK)
		return;
	p->rc = log_read(r, &q, gather, w, &p->page, &p->err);
	store_return(s->store, r);
}

static void
drop_events(struct bayeux_wait *w)
{
	w->n = 0;
	buf_clear(&w->events);
	w->answer.is_first = !w->has_replies;
}

/* It comes back and tries again. */
static void
give_up(struct bayeux_wait *w)
{
	drop_events(w); /* part of a page: it comes again */
	w->is_over = true;
	w->interval_ms = clock_jitter_ms(DEGRADED_INTERVAL_MS);
}

/* Is the cursor none of this log's, or ahead of it, as where an older copy of
   the log was put back? */
static bool
is_foreign(const struct bayeux_wait *w, const struct log_tip *tip)
{
	return tip->epoch != w->epoch || tip->seq < w->cursor;
}

/* The session begins anew, at the oldest that is kept. */
static void
start_over(struct bayeux_wait *w, uint32_t epoch)
{
	w->is_gap = true;
	w->cursor = 0;
	if (slots_move(w->bayeux->slots, w->session.slot, w->given, 0))
		w->given = 0;
	w->epoch = epoch;
	drop_events(w);
}

/* True: it is to be answered now; else looked at again. */
static bool
take_page(struct bayeux_wait *w, const struct bayeux_page *p)
{
	if (p->rc != RC_OK) {
		give_up(w);
		return true;
	}
	if (is_foreign(w, &p->page.tip)) {
		start_over(w, p->page.tip.epoch);
		return false;
	}
	w->is_gap = w->is_gap || p->page.kept_after > w->cursor;
	w->epoch = p->page.tip.epoch;
	w->cursor = p->page.reached;
	return w->n > 0 || w->is_gap || w->is_over || p->page.is_more;
}

static void
page_read(uv_work_t *work, int status)
{
	struct bayeux_page *p = (struct bayeux_page *)work;
	struct bayeux_wait *w = p->wait;
	bool is_answered;

	(void)status;
	atomic_fetch_sub(&w->bayeux->server->working, 1);
	w->page = NULL;
	is_answered = !w->is_left && take_page(w, p);
	pattern_set_fini(&p->what);
	free(p);
	if (w->is_left)
		bayeux_wait_free(w);
	else if (is_answered)
		w->answered(w);
	else
		bayeux_wait_look(w);
}

/* False: there is no memory for it, and w gives up. */
static bool
start_page(struct bayeux_wait *w)
{
	struct server *s = w->bayeux->server;
	struct bayeux_page *p = calloc(1, sizeof *p);

	if (p == NULL ||
	    bayeux_session_patterns(&w->session, &p->what, &p->err) != RC_OK) {
		free(p);
		give_up(w);
		return false;
	}
	p->wait = w;
	w->page = p;
	atomic_fetch_add(&s->working, 1);
	uv_queue_work(s->loop, &p->work, read_page, page_read);
	return true;
}

/* ---- looking ---- */

/* Takes what memory has behind the cursor.  False: a page must be read. */
static bool
look_in_memory(struct bayeux_wait *w)
{
	struct hub *h = w->bayeux->server->hub;
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

/* The session's cursor follows.  False: it was moved meanwhile, by a newer
   connect or to another place, and what this one gives is none of it. */
static bool
note_given(struct bayeux_wait *w)
{
	if (w->given != w->cursor &&
	    !slots_move(w->bayeux->slots, w->session.slot, w->given, w->cursor))
		return false;
	w->given = w->cursor;
	return true;
}

/* Who finds no place is answered at once, and polls. */
static bool
hold(struct bayeux_wait *w)
{
	if (w->reader != NULL || w->is_over)
		return true;
	if (w->hold(w))
		return !w->is_left;
	atomic_fetch_add_explicit(
	    &w->bayeux->server->count.degraded, 1, memory_order_relaxed);
	give_up(w);
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
	if (w->session.row.n == 0 && !w->is_gap)
		return w->is_over; /* held for nothing but its timeout */
	if (!look_in_memory(w))
		return !w->is_left && !start_page(w);
	if (w->push != NULL && !w->is_left && !note_given(w))
		return true;
	return w->n > 0 || w->is_over || w->is_gap;
}

void
bayeux_wait_look(struct bayeux_wait *w)
{
	bool is_answered;

	if (w->page != NULL || w->is_left || w->is_busy)
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
	if (w->page == NULL && !w->is_busy && !w->is_left)
		w->answered(w);
}

void
bayeux_wait_leave(struct bayeux_wait *w)
{
	w->reader = NULL;
	w->is_left = true;
	if (w->page == NULL && !w->is_busy)
		bayeux_wait_free(w);
}

/* ---- the answer ---- */

/* Is what was found for the client to have?  Where another connect gives it, or
   the session has gone elsewhere, this one has nothing to say. */
static bool
is_valid(struct bayeux_wait *w)
{
	return !bayeux_wait_is_outdated(w) &&
	    (w->session.row.has_ack || note_given(w));
}

/* Gives nothing: the client goes on from where the session is. */
static void
give_nothing(struct bayeux_wait *w)
{
	drop_events(w);
	w->is_gap = false;
	/* in this order: with the version from before a going back, what is
	   said of a cursor from after it has no meaning, which harms nobody */
	(void)slots_version(w->bayeux->slots, w->session.slot, &w->version);
	w->cursor = bayeux_session_cursor(w->bayeux, &w->session);
}

static struct bayeux_reply
reply_of(const struct bayeux_wait *w, const struct bayeux_advice *advice)
{
	const struct bayeux_session *s = &w->session;
	struct bayeux_reply reply = {
	    .kind = BAYEUX_CONNECT,
	    .channel = SLICE("/meta/connect"),
	    .id = w->id,
	    .client_id = {s->id, s->id_n},
	    .advice = advice,
	    .has_ack = s->row.has_ack,
	    .ack = bayeux_session_ack_number(w->version, w->cursor),
	    .is_gap = w->is_gap,
	    .has_cursor = w->is_gap,
	    .cursor = {.seq = w->cursor, .epoch = w->epoch, .has_epoch = true},
	    .has_timesync = w->has_timesync,
	    .timesync = w->timesync,
	    .received_ms = w->received_ms,
	    .waited_ms = clock_unix_ms() - w->received_ms,
	};

	return reply;
}

void
bayeux_wait_compose(struct bayeux_wait *w, struct buf *b)
{
	struct bayeux_advice advice =
	    bayeux_advice(w->bayeux->server, w->interval_ms);
	bool is_mine = is_valid(w);
	struct bayeux_reply reply;

	if (!is_mine)
		give_nothing(w);
	reply = reply_of(w, &advice);
	advice.has_multiple_clients = w->has_siblings;
	buf_add_slice(b, w->replies);
	buf_add_slice(b, buf_slice(&w->events));
	bayeux_answer_next(b, &w->answer);
	bayeux_add_reply(b, &reply, w->callback.p != NULL);
	bayeux_answer_end(b, &w->answer);
	if (w->events.rc != RC_OK)
		b->rc = RC_NOMEM;
	if (b->rc == RC_OK && is_mine)
		bayeux_session_seen(w->bayeux, &w->session,
		    w->epoch == w->session.row.tip.epoch
		        ? bayeux_session_cursor(w->bayeux, &w->session)
		        : w->cursor,
		    w->epoch);
}

void
bayeux_wait_stand(struct bayeux_wait *w)
{
	w->is_standing = true;
	w->is_over = w->is_gap = w->has_replies = false;
	w->n = 0;
	buf_clear(&w->events);
	w->answer.is_first = true;
}

void
bayeux_wait_compose_events(struct bayeux_wait *w, struct buf *b)
{
	struct bayeux_answer a;

	if (!note_given(w)) /* a newer one gives them */
		drop_events(w);
	bayeux_answer_begin(b, &a, (struct slice){0});
	buf_add_slice(b, buf_slice(&w->events));
	bayeux_answer_end(b, &a);
	if (w->events.rc != RC_OK)
		b->rc = RC_NOMEM;
	w->n = 0;
	buf_clear(&w->events);
	w->answer.is_first = true;
}

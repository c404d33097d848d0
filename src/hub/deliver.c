/* How messages reach readers: batches to those at the tip, the ring and pages
   to those behind. */
#include "hub/inside.h"

#include "base/clock.h"
#include "base/diag.h"

#include <stdlib.h>

/* One send's worth of encoded messages. */
struct parcel {
	struct iovec iov[HUB_BATCH];
	struct piece piece[HUB_BATCH];
	int n;
	struct buf own; /* bytes that no other reader shares */
};

static void
parcel_init(struct parcel *p)
{
	p->n = 0;
	buf_init(&p->own, 0);
}

static void
parcel_fini(struct parcel *p)
{
	buf_fini(&p->own);
}

/* Encodings that every reader of the form shares? */
static bool
is_shared(const struct reader *r)
{
	if (r->how.form == FORM_WS_DEFLATE)
		return r->how.window_bits == DEFLATE_WINDOW_BITS;
	if (r->how.form == FORM_WS)
		return true;
	return r->outlet.is_fcgi && r->outlet.id == OUTLET_SHARED_ID &&
	    r->how.callback.p == NULL;
}

/* Encodes for r alone: another framing, or a callback of its own. */
static enum rc
add_own(struct parcel *p, const struct reader *r, struct entry *en)
{
	struct buf content;

	buf_init(&content, 0);
	encode_message(&content, &r->how, &en->m);
	if (content.rc == RC_OK)
		outlet_add(&r->outlet, &p->own, buf_slice(&content));
	buf_fini(&content);
	return p->own.rc;
}

/* Makes the pieces for r of the entries; all of them or RC_NOMEM. */
static enum rc
parcel_fill(
    struct parcel *p, struct reader *r, struct entry *const *entry, size_t n)
{
	struct slice s;
	size_t i, before;
	char *at;

	for (i = 0; i < n; i++) {
		if (is_shared(r)) {
			if (ring_encode(&r->hub->ring, entry[i], &r->how, &s))
				return RC_NOMEM;
			p->iov[i] = (struct iovec){(char *)s.p, s.n};
		} else {
			before = p->own.n;
			if (add_own(p, r, entry[i]) != RC_OK)
				return RC_NOMEM;
			p->iov[i].iov_len = p->own.n - before;
		}
		p->piece[i] =
		    (struct piece){entry[i]->m.seq, p->iov[i].iov_len};
	}
	at = p->own.p; /* now that it no longer moves */
	for (i = 0; !is_shared(r) && i < n; at += p->iov[i++].iov_len)
		p->iov[i].iov_base = at;
	p->n = (int)n;
	return RC_OK;
}

/* Hands a filled parcel to a reader that has all up to after. */
static bool
parcel_send(const struct parcel *p, struct reader *r, uint64_t after)
{
	count(&r->hub->figures.deliveries, (uint64_t)p->n);
	return p->n == 0 || reader_send(r, after, p->iov, p->n, p->piece, p->n);
}

/* When others wait for its place, a long poll is told to come back later. */
static void
add_head(struct buf *b, const struct reader *r, bool is_short)
{
	struct slice head = r->head;

	if (is_short)
		head.n -= 2; /* the empty line that ends it */
	buf_add_slice(b, head);
	if (is_short)
		buf_printf(b, "Retry-After: %u\r\n\r\n",
		    2 + (unsigned)(clock_random() % 4));
}

void
hub_add_answer(struct buf *b, const struct reader *r,
    struct entry *const *entry, size_t n, uint64_t tip)
{
	size_t most = n < r->limit ? n : r->limit, i;
	bool is_short = budget_is_short(r->hub->budget);
	struct poll_answer a;
	struct buf content;

	buf_init(&content, 0);
	add_head(&content, r, is_short);
	encode_poll_begin(&content, &a, r->how.callback, false);
	for (i = 0; i < most; i++)
		encode_poll_message(&content, &a, &entry[i]->m);
	encode_poll_end(&content, &a, most < n ? entry[most - 1]->m.seq : tip,
	    r->how.epoch, most < n, is_short);
	outlet_add(&r->outlet, b, buf_slice(&content));
	outlet_add_end(&r->outlet, b);
	if (content.rc != RC_OK)
		b->rc = content.rc;
	buf_fini(&content);
}

static void
answer(struct reader *r, struct entry *const *entry, size_t n, uint64_t tip)
{
	struct buf b;

	buf_init(&b, 0);
	hub_add_answer(&b, r, entry, n, tip);
	count(&r->hub->figures.deliveries, n);
	if (b.rc == RC_OK)
		reader_answer(r, buf_slice(&b));
	else
		reader_close(r);
	buf_fini(&b);
}

/* What readers of one topic share while it is delivered. */
struct sharing {
	struct entry *news[HUB_BATCH];
	size_t n_news;
	struct parcel parcel[FORMS]; /* n == 0: not made yet */
	struct buf answer;           /* long polling's, for
	                                this head and limit */
	struct slice head;
	uint32_t limit;
};

/* A long poll of one pattern, at the tip. */
static void
answer_one(struct reader *r, struct sharing *s, uint64_t now)
{
	if (!is_shared(r)) {
		answer(r, s->news, s->n_news, now);
		return;
	}
	if (s->answer.n == 0 || !slice_is(s->head, r->head) ||
	    s->limit != r->limit) {
		buf_clear(&s->answer);
		hub_add_answer(&s->answer, r, s->news, s->n_news, now);
		s->head = r->head; /* lives until the loop's next turn */
		s->limit = r->limit;
	}
	count(&r->hub->figures.deliveries, s->n_news);
	if (s->answer.rc == RC_OK)
		reader_answer(r, buf_slice(&s->answer));
	else
		reader_close(r);
}

/* A stream of one pattern, at the tip. */
static void
deliver_one(struct reader *r, struct sharing *s, uint64_t before)
{
	struct parcel *p = &s->parcel[r->how.form], own;

	if (!is_shared(r)) {
		parcel_init(&own);
		if (parcel_fill(&own, r, s->news, s->n_news) == RC_OK)
			parcel_send(&own, r, before);
		else
			reader_close(r);
		parcel_fini(&own);
		return;
	}
	if (p->n == 0 && parcel_fill(p, r, s->news, s->n_news) != RC_OK)
		reader_close(r);
	else
		parcel_send(p, r, before);
}

/* A reader of several patterns, at the tip: once for all its topics. */
static void
deliver_many(struct hub *h, struct reader *r, uint64_t before, uint64_t now)
{
	struct entry *mine[HUB_BATCH];
	struct parcel p;
	size_t n = 0, i;

	if (r->after == now)
		return; /* came by through another of its topics */
	r->after = now;
	for (i = 0; i < h->n_batch; i++)
		if (interest_wants(&r->interest, &h->batch[i]->m))
			mine[n++] = h->batch[i];
	if (r->is_answer) {
		answer(r, mine, n, now);
		return;
	}
	parcel_init(&p);
	if (parcel_fill(&p, r, mine, n) == RC_OK)
		parcel_send(&p, r, before);
	else
		reader_close(r);
	parcel_fini(&p);
}

/* Once for all its topics. */
static void
tell_listener(struct reader *r, uint64_t now)
{
	if (r->after == now)
		return;
	r->after = now;
	r->client->news(r->client_arg);
}

static void
deliver_topic(struct hub *h, struct topic *t, uint64_t before, uint64_t now)
{
	struct membership *m, *next;
	struct sharing *s = malloc(sizeof *s); /* large: not cleared whole */
	struct reader *r;
	size_t i;

	if (s != NULL) {
		s->n_news = t->n_news;
		for (i = 0; i < FORMS; i++)
			s->parcel[i].n = 0;
		buf_init(&s->answer, 0);
	}
	for (i = 0; s != NULL && i < t->n_news; i++)
		s->news[i] = h->batch[t->news[i]];
	for (m = t->readers; m != NULL; m = next) {
		next = m->next;
		r = m->reader;
		if (r->state != READER_LIVE)
			continue;
		if (r->is_listener)
			tell_listener(r, now);
		else if (s == NULL)
			reader_close(r); /* no memory: it resumes
			                    by its cursor */
		else if (r->interest.what.n > 1)
			deliver_many(h, r, before, now);
		else if (r->is_answer)
			answer_one(r, s, now);
		else
			deliver_one(r, s, before);
	}
	if (s != NULL)
		buf_fini(&s->answer);
	free(s);
}

/* Notes the message under way for a topic that covers it. */
static void
add_news(void *arg, struct topic *t)
{
	struct hub *h = arg;

	if (t->n_news == 0) {
		t->dirty = h->dirty;
		h->dirty = t;
	}
	t->news[t->n_news++] = h->at;
}

void
hub_deliver(struct hub *h)
{
	uint64_t before = h->tip, now;
	struct topic *t;

	if (h->n_batch == 0)
		return;
	now = h->batch[h->n_batch - 1]->m.seq;
	for (h->at = 0; h->at < h->n_batch; h->at++)
		topics_match(
		    &h->topics, h->batch[h->at]->m.channel, add_news, h);
	h->tip = now;
	while ((t = h->dirty) != NULL) {
		h->dirty = t->dirty;
		deliver_topic(h, t, before, now);
		t->n_news = 0;
		pthread_mutex_lock(&h->topics_lock);
		topics_sweep(&h->topics, t);
		pthread_mutex_unlock(&h->topics_lock);
	}
	h->n_batch = 0;
	ring_trim(&h->ring);
}

/* In the middle of a message, with something that has to wait for its end? */
static bool
is_awaiting_border(const struct reader *r)
{
	return r->partial.seq != 0 && (r->aside != NULL || r->wants_border);
}

/* The next entries for r from seq on, at most `most`; *reached: where the look
   ended. */
static size_t
gather(struct reader *r, uint64_t seq, struct entry **mine, size_t most,
    uint64_t *reached)
{
	struct entry *en;
	size_t n = 0;

	*reached = seq - 1;
	for (; n < most && (en = ring_find(&r->hub->ring, seq)); seq++) {
		*reached = seq;
		if (interest_wants(&r->interest, &en->m))
			mine[n++] = en;
	}
	return n;
}

/* Sends r what the ring has next.  True if r took all and can go on. */
static bool
feed_from_ring(struct reader *r)
{
	struct entry *mine[HUB_BATCH];
	struct parcel p;
	uint64_t reached;
	size_t n, skip;
	bool goes_on = false;

	n = gather(r, r->partial.seq != 0 ? r->partial.seq : r->after + 1, mine,
	    is_awaiting_border(r) ? 1 : HUB_BATCH, &reached);
	if (r->is_answer && n > 0) {
		answer(r, mine, n, reached);
		return false;
	}
	parcel_init(&p);
	if (parcel_fill(&p, r, mine, n) != RC_OK) {
		reader_close(r);
	} else {
		if (r->partial.seq != 0) {
			skip = r->partial.sent;
			p.iov[0].iov_base = (char *)p.iov[0].iov_base + skip;
			p.iov[0].iov_len -= skip;
		}
		goes_on = parcel_send(&p, r, r->after);
		if (goes_on)
			r->after = reached;
	}
	parcel_fini(&p);
	return goes_on;
}

void
hub_feed(struct reader *r)
{
	struct hub *h = r->hub;
	uint64_t seq;
	int turns;

	for (turns = 0; turns < 16; turns++) {
		if (r->partial.seq == 0 && !reader_pass_border(r))
			return;
		if (r->interest.what.n == 0 || r->is_listener) {
			r->after = h->tip;
			r->has_gap = false;
		}
		if (r->partial.seq == 0 && r->after == h->tip && !r->has_gap) {
			r->state = READER_LIVE;
			reader_watch(r, false);
			if (r->is_listener) /* it heard nothing meanwhile */
				r->client->news(r->client_arg);
			return;
		}
		seq = r->partial.seq != 0 ? r->partial.seq : r->after + 1;
		if (r->has_gap || ring_find(&h->ring, seq) == NULL) {
			fetch_start(r);
			return;
		}
		if (!feed_from_ring(r))
			return;
	}
	reader_block(r); /* others' turn; the socket has room: soon again */
}

/* Tells r that some of what its cursor asks for is gone. */
static bool
tell_gap(struct reader *r, uint64_t kept_after)
{
	struct buf b;
	bool is_told;

	buf_init(&b, 0);
	encode_gap(&b, &r->how, r->after);
	is_told = b.rc == RC_OK && reader_say(r, buf_slice(&b));
	buf_fini(&b);
	if (is_told) {
		count(&r->hub->figures.gaps, 1);
		r->has_gap = false;
		r->gap_told = kept_after;
	} else if (r->state != READER_ENDED) {
		reader_block(r); /* no room even for that: later */
	}
	return is_told;
}

/* A long poll's page: its answer if there is anything to tell. */
static void
answer_page(struct fetch *f, bool is_gap)
{
	struct reader *r = f->reader;
	struct poll_answer a;
	struct buf content, framed;

	if (f->page.n == 0 && !is_gap) {
		r->after = f->page.reached;
		hub_sync(r->hub);
		hub_feed(r);
		return;
	}
	buf_init(&content, 0);
	buf_init(&framed, 0);
	buf_add_slice(&content, r->head);
	encode_poll_begin(&content, &a, r->how.callback, is_gap);
	buf_add_slice(&content, buf_slice(&f->bytes));
	encode_poll_end(&content, &a, f->page.reached, r->how.epoch,
	    f->page.is_more, false);
	outlet_add(&r->outlet, &framed, buf_slice(&content));
	outlet_add_end(&r->outlet, &framed);
	if (content.rc == RC_OK && framed.rc == RC_OK)
		reader_answer(r, buf_slice(&framed));
	else
		reader_close(r);
	buf_fini(&content);
	buf_fini(&framed);
}

/* Sends a stream its page.  True if it took all. */
static bool
send_page(struct fetch *f, size_t n_pieces)
{
	struct reader *r = f->reader;
	size_t skip = r->partial.seq == 0 ? 0 : r->partial.sent, bytes = 0, i;
	struct iovec iov;

	for (i = 0; i < n_pieces; i++)
		bytes += f->piece[i].n;
	if (bytes == 0)
		return true;
	iov = (struct iovec){f->bytes.p + skip, bytes - skip};
	count(&r->hub->figures.deliveries, n_pieces);
	return reader_send(r, r->after, &iov, 1, f->piece, (int)n_pieces);
}

void
hub_page(struct fetch *f)
{
	struct reader *r = f->reader;
	struct hub *h = r->hub;
	bool is_partial = r->partial.seq != 0, is_gap;

	if (f->rc != RC_OK)
		diag(DIAG_WARN, "a page of history: %s", f->err.text);
	if (f->rc == RC_OK && f->page.tip.epoch != h->epoch)
		hub_sync(h); /* the log was replaced: all readers start over */
	if (f->rc != RC_OK || r->how.epoch != f->page.tip.epoch ||
	    (is_partial &&
	        (f->n_pieces == 0 || f->piece[0].seq != r->partial.seq))) {
		reader_close(r); /* it resumes by its cursor */
		return;
	}
	is_gap = r->has_gap ||
	    (f->page.kept_after > r->after && f->page.kept_after > r->gap_told);
	if (r->is_answer) {
		answer_page(f, is_gap);
		return;
	}
	if (!is_partial) {
		if (!reader_pass_border(r) ||
		    r->how.epoch != f->page.tip.epoch) {
			if (r->state == READER_PAGING)
				reader_block(r);
			return;
		}
		if (r->state != READER_PAGING)
			return; /* its subscriptions changed: fed anew */
		if (is_gap && !tell_gap(r, f->page.kept_after))
			return;
		if (r->aside != NULL) { /* half of the gap */
			reader_block(r);
			return;
		}
	} else if (is_gap || is_awaiting_border(r)) {
		/* finish the message first */
		if (send_page(f, 1)) {
			r->after = f->piece[0].seq;
			fetch_start(r);
		}
		return;
	}
	if (!send_page(f, f->n_pieces))
		return;
	r->after = f->page.reached;
	if (r->after >= h->tip)
		hub_sync(h);
	if (r->state == READER_ENDED)
		return;
	if (r->after > h->tip)
		reader_close(r); /* the log runs ahead of what we can read */
	else
		hub_feed(r);
}

#include "hub/fetch.h"

#include "hub/inside.h"

#include <stdlib.h>

static void run_next(struct hub *h);

void
fetches_init(struct fetches *f, uint32_t most)
{
	*f = (struct fetches){.last = &f->first, .most = most};
}

/* Encodes one message of the page: another piece. */
static bool
add_piece(void *arg, const struct message *m)
{
	struct fetch *f = arg;
	struct buf content;
	struct piece *p;
	size_t cap, before = f->bytes.n;

	if (m->seq > f->until) {
		f->is_cut = true;
		return false;
	}
	if (f->interest.what.n > 0 && !interest_wants(&f->interest, m))
		return true;
	if (f->is_answer) {
		encode_poll_message(&f->bytes, &f->answer, m);
		return f->bytes.rc == RC_OK;
	}
	if (f->n_pieces == f->cap_pieces) {
		cap = f->cap_pieces == 0 ? 64 : f->cap_pieces * 2;
		p = realloc(f->piece, cap * sizeof *p);
		if (p == NULL) {
			f->bytes.rc = RC_NOMEM;
			return false;
		}
		f->piece = p;
		f->cap_pieces = cap;
	}
	if (f->outlet.is_fcgi) {
		buf_init(&content, 0);
		encode_message(&content, &f->how, m);
		outlet_add(&f->outlet, &f->bytes, buf_slice(&content));
		if (content.rc != RC_OK)
			f->bytes.rc = content.rc;
		buf_fini(&content);
	} else {
		encode_message(&f->bytes, &f->how, m);
	}
	if (f->bytes.rc != RC_OK)
		return false;
	f->piece[f->n_pieces++] = (struct piece){m->seq, f->bytes.n - before};
	return true;
}

/* On a thread of the pool. */
static void
read_page(uv_work_t *work)
{
	struct fetch *f = (struct fetch *)work;
	struct log_query q = {
	    .what = &f->what,
	    .after = f->after,
	    .max_messages = f->max_messages,
	    .max_bytes = f->max_bytes,
	    .max_scan = f->max_scan,
	};
	struct log_reader *r;

	/* the loop's own deflater belongs to its thread */
	if (f->how.form == FORM_WS_DEFLATE &&
	    (f->rc = deflater_new(
	         &f->how.deflater, DEFLATE_WINDOW_BITS, &f->err)) != RC_OK)
		return;
	f->rc = store_borrow(f->hub->store, &r, &f->err);
	if (f->rc == RC_OK) {
		f->rc = log_read(r, &q, add_piece, f, &f->page, &f->err);
		store_return(f->hub->store, r);
	}
	if (f->how.form == FORM_WS_DEFLATE)
		deflater_free(f->how.deflater);
	if (f->is_cut || f->page.reached > f->until)
		f->page.reached = f->until;
	if (f->rc == RC_OK && f->bytes.rc != RC_OK)
		f->rc = err_set(&f->err, RC_NOMEM, "no memory for a page");
}

static void
fetch_free(struct fetch *f)
{
	pattern_set_fini(&f->what);
	interest_fini(&f->interest);
	free((char *)f->how.callback.p);
	buf_fini(&f->bytes);
	free(f->piece);
	free(f);
}

static void
page_read(uv_work_t *work, int status)
{
	struct fetch *f = (struct fetch *)work;
	struct hub *h = f->hub;

	(void)status;
	h->fetches.running--;
	if (f->reader != NULL) {
		f->reader->fetch = NULL;
		hub_page(f);
	}
	fetch_free(f);
	run_next(h);
	hub_let_go(h);
}

static struct slice
copy_slice(struct slice s)
{
	char *p = s.p == NULL ? NULL : malloc(s.n + 1);

	if (p != NULL)
		memcpy(p, s.p, s.n);
	return (struct slice){p, s.n};
}

/* What is wanted there; more than patterns only if some of it came before. */
static enum rc
copy_interest(struct fetch *f, const struct reader *r)
{
	struct err e;
	enum rc rc;

	rc = interest_active(&r->interest, f->after, &f->what, &f->until, &e);
	if (rc == RC_OK && f->after < r->interest.mixed_until)
		rc = interest_copy(&f->interest, &r->interest, &e);
	return rc;
}

static struct fetch *
fetch_new(struct reader *r)
{
	const struct options *o = r->hub->options;
	struct fetch *f = calloc(1, sizeof *f);

	if (f == NULL)
		return NULL;
	buf_init(&f->bytes, 0);
	f->hub = r->hub;
	f->reader = r;
	f->how = r->how;
	f->how.callback = copy_slice(r->how.callback);
	f->outlet = r->outlet;
	/* a half-sent message comes again, to be continued */
	f->after = r->partial.seq != 0 ? r->partial.seq - 1 : r->after;
	f->is_answer = r->is_answer;
	f->answer =
	    (struct poll_answer){.is_first = true, .callback = f->how.callback};
	f->max_messages = r->is_answer ? r->limit : UINT32_MAX;
	f->max_bytes = r->is_answer ? o->answer_bytes : o->page_bytes;
	f->max_scan = (uint32_t)o->page_scan;
	if (copy_interest(f, r) == RC_OK &&
	    (r->how.callback.p == NULL || f->how.callback.p != NULL))
		return f;
	fetch_free(f);
	return NULL;
}

/* Starts pages for those who wait, in order, as far as the bound allows. */
static void
run_next(struct hub *h)
{
	struct fetches *q = &h->fetches;
	struct reader *r;
	struct fetch *f;

	while (q->running < q->most && (r = q->first) != NULL) {
		q->first = r->waiting;
		r->waiting = NULL;
		if (q->first == NULL)
			q->last = &q->first;
		f = fetch_new(r);
		if (f == NULL) {
			reader_close(r);
			continue;
		}
		r->fetch = f;
		q->running++;
		h->figures.pages++;
		uv_queue_work(h->loop, &f->work, read_page, page_read);
	}
}

void
fetch_start(struct reader *r)
{
	struct fetches *q = &r->hub->fetches;

	r->state = READER_PAGING;
	reader_watch(r, false);
	r->waiting = NULL;
	*q->last = r;
	q->last = &r->waiting;
	run_next(r->hub);
}

void
fetch_forget(struct reader *r)
{
	struct fetches *q = &r->hub->fetches;
	struct reader **p;

	if (r->fetch != NULL) {
		r->fetch->reader = NULL;
		r->fetch = NULL;
		return;
	}
	for (p = &q->first; *p != NULL; p = &(*p)->waiting)
		if (*p == r) {
			*p = r->waiting;
			if (*p == NULL)
				q->last = p;
			return;
		}
}

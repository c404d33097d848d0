#include "transport/reading.h"

#include "base/clock.h"
#include "transport/answer.h"
#include "wire/http.h"

#include <stdio.h>

static enum rc
parse_channels(struct reading *rd, const struct server *s,
    const struct request *rq, struct err *e)
{
	struct slice pattern[QUERY_MAX_PARAMS];
	size_t n = 0, i;

	for (i = 0; i < rq->params.n; i++)
		if (slice_is(rq->params.item[i].name, SLICE("channel")))
			pattern[n++] = rq->params.item[i].value;
	if (n == 0)
		return err_set(e, RC_BAD,
		    "channel= is missing: name what to "
		    "read, such as ?channel=chat/lobby");
	if (n > s->options->max_patterns)
		return err_set(e, RC_BAD,
		    "%zu channels are too many for one "
		    "request: at most %llu (option max-patterns)",
		    n, (unsigned long long)s->options->max_patterns);
	return pattern_set_init(&rd->what, pattern, n, e);
}

static enum rc
parse_start(struct reading *rd, const struct request *rq, bool has_event_id,
    struct err *e)
{
	struct slice since = params_get(&rq->params, "since");
	uint64_t last = 0;
	struct err unused;
	enum rc rc;

	if (has_event_id && rq->last_event_id.n > 0) {
		rd->from = READING_CURSOR;
		rd->is_foreign = cursor_parse(rq->last_event_id, &rd->cursor,
		                     &unused) != RC_OK;
		return RC_OK;
	}
	if (since.n > 0) {
		rd->from = READING_NOW;
		if (slice_is(since, SLICE("now")))
			return RC_OK;
		rd->from = READING_CURSOR;
		return cursor_parse(since, &rd->cursor, e);
	}
	if (params_get(&rq->params, "last").n > 0) {
		rc = params_get_uint(&rq->params, "last", UINT32_MAX, &last, e);
		rd->from = READING_LAST;
		rd->last = (uint32_t)(last < LIMIT_MAX ? last : LIMIT_MAX);
		return rc;
	}
	return RC_OK;
}

enum rc
reading_parse(struct reading *rd, const struct server *s,
    const struct request *rq, enum reading_from standard, bool has_event_id,
    struct err *e)
{
	uint64_t limit = LIMIT_DEFAULT;
	enum rc rc;

	*rd = (struct reading){.from = standard};
	if ((rc = parse_start(rd, rq, has_event_id, e)) != RC_OK)
		return rc;
	if ((rc = params_get_uint(
	         &rq->params, "limit", UINT32_MAX, &limit, e)) != RC_OK)
		return rc;
	rd->limit = (uint32_t)(limit < LIMIT_MAX ? limit : LIMIT_MAX);
	rd->callback = params_get(&rq->params, "callback");
	if (rd->callback.n == 0)
		rd->callback = (struct slice){0};
	else if ((rc = callback_check(rd->callback, e)) != RC_OK)
		return rc;
	return parse_channels(rd, s, rq, e);
}

void
reading_fini(struct reading *rd)
{
	pattern_set_fini(&rd->what);
}

static bool
on_message(void *arg, const struct message *m)
{
	struct reading_page *p = arg;

	if (p->first == 0)
		p->first = m->seq;
	p->newest = m->seq;
	p->encode(p, m);
	return p->bytes.rc == RC_OK;
}

static enum rc
read_from(const struct reading *rd, struct server *s, struct log_reader *r,
    struct reading_page *p, struct err *e)
{
	struct log_query q = {.what = &rd->what,
	    .after = p->after,
	    .max_messages = rd->limit,
	    .max_bytes = s->options->answer_bytes,
	    .max_scan = (uint32_t)s->options->page_scan};
	enum rc rc;

	p->first = p->newest = 0;
	buf_clear(&p->bytes);
	p->answer =
	    (struct poll_answer){.is_first = true, .callback = rd->callback};
	p->html.is_empty = true;
	rc = log_read(r, &q, on_message, p, &p->page, e);
	if (rc == RC_OK && p->bytes.rc != RC_OK)
		return err_set(e, RC_NOMEM, "no memory for the answer");
	return rc;
}

/* Only the tip: since=now, limit=0. */
static enum rc
read_tip(struct log_reader *r, struct reading_page *p, struct err *e)
{
	enum rc rc = log_tip(r, &p->page.tip, e);

	p->after = p->page.reached = p->page.tip.seq;
	return rc;
}

/* Is the cursor one of this log's, and not ahead of it? */
static bool
is_known(const struct reading *rd, const struct log_tip *tip)
{
	return !rd->is_foreign && rd->cursor.seq <= tip->seq &&
	    (!rd->cursor.has_epoch || rd->cursor.epoch == tip->epoch);
}

/* A cursor that isn't this log's reads from the oldest. */
static enum rc
read_cursor(const struct reading *rd, struct server *s, struct log_reader *r,
    struct reading_page *p, struct err *e)
{
	enum rc rc;

	p->after = rd->is_foreign ? 0 : rd->cursor.seq;
	if ((rc = read_from(rd, s, r, p, e)) != RC_OK)
		return rc;
	if (is_known(rd, &p->page.tip)) {
		p->is_gap = p->page.kept_after > p->after;
		return RC_OK;
	}
	p->is_gap = true;
	if (p->after == 0)
		return RC_OK;
	p->after = 0;
	return read_from(rd, s, r, p, e);
}

enum rc
reading_run(const struct reading *rd, struct server *s, struct reading_page *p,
    struct err *e)
{
	struct log_reader *r;
	struct log_tip tip;
	enum rc rc;

	p->page = (struct log_page){0};
	p->is_gap = false;
	p->after = p->first = p->newest = 0;
	if ((rc = store_borrow(s->store, &r, e)) != RC_OK)
		return rc;
	if (rd->from == READING_NOW || rd->limit == 0) {
		rc = read_tip(r, p, e);
	} else if (rd->from == READING_CURSOR) {
		rc = read_cursor(rd, s, r, p, e);
	} else {
		if (rd->from == READING_LAST)
			rc = log_before_last(
			    r, &rd->what, rd->last, &p->after, &tip, e);
		if (rc == RC_OK)
			rc = read_from(rd, s, r, p, e);
	}
	store_return(s->store, r);
	p->how.epoch = p->page.tip.epoch;
	return rc;
}

static bool
stop_there(void *arg, const struct message *m)
{
	(void)arg;
	(void)m;
	return false;
}

/* Has retention taken something that the cursor should still get? */
static enum rc
look_for_gap(const struct reading *rd, struct log_reader *r,
    struct reading_page *p, struct err *e)
{
	struct log_query q = {.what = &rd->what,
	    .after = p->after,
	    .max_messages = 1,
	    .max_bytes = 1,
	    .max_scan = 1};
	enum rc rc = log_read(r, &q, stop_there, NULL, &p->page, e);

	p->is_gap = rc == RC_OK && p->page.kept_after > p->after;
	return rc;
}

enum rc
reading_start(const struct reading *rd, struct server *s,
    struct reading_page *p, struct err *e)
{
	struct log_reader *r;
	bool is_foreign;
	enum rc rc;

	p->is_gap = false;
	p->after = 0;
	if ((rc = store_borrow(s->store, &r, e)) != RC_OK)
		return rc;
	if (rd->from == READING_LAST)
		rc = log_before_last(
		    r, &rd->what, rd->last, &p->after, &p->page.tip, e);
	else
		rc = log_tip(r, &p->page.tip, e);
	if (rc == RC_OK && rd->from == READING_CURSOR) {
		is_foreign = !is_known(rd, &p->page.tip);
		p->after = is_foreign ? 0 : rd->cursor.seq;
		if (p->after < p->page.tip.seq)
			rc = look_for_gap(rd, r, p, e);
		p->is_gap = p->is_gap || is_foreign;
	}
	store_return(s->store, r);
	p->how.epoch = p->page.tip.epoch;
	return rc;
}

void
reading_page_fini(struct reading_page *p)
{
	buf_fini(&p->bytes);
}

void
reading_hold(struct server *s, struct request *rq, struct reading *rd,
    const struct reading_page *page, struct hub_reader *spec,
    const char *content_type, const char *extra)
{
	struct buf head, lines;

	buf_init(&head, 0);
	buf_init(&lines, 0);
	buf_add_text(&lines, extra);
	answer_add_cors(&lines, rq);
	buf_add_char(&lines, 0);
	http_add_head(&head, 200, content_type,
	    lines.rc == RC_OK ? lines.p : extra, HTTP_UNKNOWN);
	spec->head = buf_slice(&head);
	spec->outlet = rq->outlet;
	spec->what = rd->what;
	rd->what = (struct pattern_set){0};
	spec->how.callback = rd->callback;
	spec->how.epoch = page->page.tip.epoch;
	spec->limit = rd->limit;
	if (rd->from != READING_CURSOR)
		spec->gap_known = page->page.tip.seq; /* nothing was promised */
	else if (page->is_gap)
		spec->gap_known = page->page.kept_after;
	spec->retry_ms = clock_jitter_ms((uint32_t)s->options->retry_ms);
	if (head.rc == RC_OK) {
		server_hold(s, spec);
	} else {
		answer_unheld(
		    s, rq->outlet, &(struct err){RC_NOMEM, "out of memory"});
		pattern_set_fini(&spec->what);
		hub_unclaim(s->hub, spec->place);
	}
	buf_fini(&head);
	buf_fini(&lines);
	request_free(rq);
}

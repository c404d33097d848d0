/* log_read: three ways to find the messages of a query (see log/reader.h). */
#include "log/read.h"
#include "log/row.h"

#define MERGE_CHANNELS 64    /* with something new; more: scan the log */
#define MERGE_AHEAD 16       /* seqs fetched of a channel at once */
#define MERGE_LOOKED_AT 1024 /* channels; more: scan the log */
#define NEAR_TIP 128         /* rows worth scanning before channels are */

/* One channel that has something new. */
struct source {
	int64_t channel_id;
	uint64_t seq[MERGE_AHEAD];
	unsigned n, at; /* of seq[] */
	bool is_read;   /* there are none behind seq[] */
};

struct page_run {
	struct log_reader *r;
	const struct log_query *q;
	log_message_fn *fn;
	void *arg;
	struct log_page *page;
	struct err *e;
	size_t bytes;
	uint32_t looked_at; /* rows */
	uint64_t newest;    /* nothing that matches lies behind it */

	/* the channels, where they are merged */
	struct source *source; /* MERGE_CHANNELS */
	size_t n_sources;
	uint32_t channels; /* looked at */
	bool is_too_wide;  /* for merging */
};

/* Gives the row that st stands on.  *goes_on: false ends the page. */
static enum rc
give(struct page_run *p, sqlite3_stmt *st, struct slice channel, bool *goes_on)
{
	const struct log_query *q = p->q;
	struct message m;
	enum rc rc;

	rc = row_message(st, &p->r->repaired, &m, p->e);
	if (rc != RC_OK)
		return rc;
	m.channel = channel;
	p->bytes += m.data.n + m.id.n + m.event.n + channel.n;
	p->page->n++;
	*goes_on = p->fn(p->arg, &m) && p->page->n < q->max_messages &&
	    p->bytes < q->max_bytes;
	return RC_OK;
}

/* Row seq was dealt with: may another be looked at? */
static bool
looked_at(struct page_run *p, uint64_t seq)
{
	p->page->reached = seq;
	p->looked_at++;
	return p->q->max_scan == 0 || p->looked_at < p->q->max_scan;
}

/* One channel, whose name the caller knows: its rows by the index. */
static enum rc
read_one(struct page_run *p, int64_t id, struct slice name)
{
	sqlite3_stmt *st = db_statement(&p->r->db, ST_ROWS_OF);
	bool goes_on = true;
	int code = SQLITE_DONE;
	enum rc rc;

	if (st == NULL)
		return read_fail(p->r, p->e);
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)p->q->after);
	while (goes_on && (code = sqlite3_step(st)) == SQLITE_ROW) {
		rc = give(p, st, name, &goes_on);
		if (rc != RC_OK)
			return rc;
		goes_on &= looked_at(p, db_u64(st, ROW_SEQ));
	}
	if (goes_on && code != SQLITE_DONE)
		return read_fail(p->r, p->e);
	if (goes_on)
		p->page->reached = p->newest;
	return RC_OK;
}

/* Every row behind `after`; what the query covers is found by channel.  Where
   not all is wanted, data is fetched only of what is. */
static enum rc
read_all(struct page_run *p)
{
	bool is_all = p->q->what == NULL, goes_on = true;
	struct db *db = &p->r->db;
	sqlite3_stmt *st, *row;
	struct slice name;
	int code = SQLITE_DONE;
	enum rc rc = RC_OK;

	row = st = db_statement(db, is_all ? ST_ROWS : ST_ROW_CHANNELS);
	if (st == NULL)
		return read_fail(p->r, p->e);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)p->q->after);
	while (goes_on && (code = sqlite3_step(st)) == SQLITE_ROW) {
		rc = names_find(&p->r->names, db,
		    sqlite3_column_int64(st, ROW_CHANNEL_ID), &name, p->e);
		if (rc != RC_OK)
			return rc;
		if (name.p != NULL && !is_all) {
			row = db_statement(db, ST_ROW);
			if (row == NULL)
				return read_fail(p->r, p->e);
			sqlite3_bind_int64(
			    row, 1, sqlite3_column_int64(st, ROW_SEQ));
			if (sqlite3_step(row) != SQLITE_ROW)
				return read_fail(p->r, p->e);
		}
		if (name.p != NULL)
			rc = give(p, row, name, &goes_on);
		if (rc != RC_OK)
			return rc;
		goes_on &= looked_at(p, db_u64(st, ROW_SEQ));
	}
	if (goes_on && code != SQLITE_DONE)
		return read_fail(p->r, p->e);
	if (goes_on)
		p->page->reached = p->newest;
	return RC_OK;
}

/* Fetches the channel's next seqs, behind the latest one fetched. */
static enum rc
fill(struct page_run *p, struct source *s)
{
	sqlite3_stmt *st = db_statement(&p->r->db, ST_SEQS_OF);
	uint64_t after = s->n == 0 ? p->q->after : s->seq[s->n - 1];
	int code;

	if (st == NULL)
		return read_fail(p->r, p->e);
	sqlite3_bind_int64(st, 1, s->channel_id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)after);
	sqlite3_bind_int(st, 3, MERGE_AHEAD);
	s->n = s->at = 0;
	while ((code = sqlite3_step(st)) == SQLITE_ROW)
		s->seq[s->n++] = db_u64(st, 0);
	if (code != SQLITE_DONE)
		return read_fail(p->r, p->e);
	s->is_read = s->n < MERGE_AHEAD;
	return RC_OK;
}

/* *first: the source with the lowest seq; NULL: all are at their end. */
static enum rc
next_source(struct page_run *p, struct source **first)
{
	struct source *s;
	enum rc rc;

	*first = NULL;
	for (size_t i = 0; i < p->n_sources; i++) {
		s = &p->source[i];
		if (s->at == s->n && !s->is_read) {
			rc = fill(p, s);
			if (rc != RC_OK)
				return rc;
		}
		if (s->at < s->n &&
		    (*first == NULL ||
		        s->seq[s->at] < (*first)->seq[(*first)->at]))
			*first = s;
	}
	return RC_OK;
}

/* A few channels, in the order of seq, each by its part of the index. */
static enum rc
read_merged(struct page_run *p)
{
	struct db *db = &p->r->db;
	bool goes_on = true;
	struct source *s;
	struct slice name;
	sqlite3_stmt *st;
	uint64_t seq;
	enum rc rc;

	while (goes_on) {
		rc = next_source(p, &s);
		if (rc != RC_OK)
			return rc;
		if (s == NULL) {
			p->page->reached = p->newest;
			return RC_OK;
		}
		seq = s->seq[s->at++];
		rc = names_find(&p->r->names, db, s->channel_id, &name, p->e);
		if (rc != RC_OK)
			return rc;
		st = db_statement(db, ST_ROW);
		if (st == NULL)
			return read_fail(p->r, p->e);
		sqlite3_bind_int64(st, 1, (sqlite3_int64)seq);
		if (sqlite3_step(st) != SQLITE_ROW)
			return read_fail(p->r, p->e);
		rc = give(p, st, name, &goes_on);
		if (rc != RC_OK)
			return rc;
		goes_on &= looked_at(p, seq);
	}
	return RC_OK;
}

/* Takes in one channel that the query covers. */
static bool
add_source(void *arg, sqlite3_stmt *row, struct slice name)
{
	struct page_run *p = arg;
	uint64_t kept_after = db_u64(row, CHANNEL_KEPT_AFTER);
	uint64_t newest = db_u64(row, CHANNEL_NEWEST);

	(void)name;
	p->channels++;
	if (kept_after > p->page->kept_after)
		p->page->kept_after = kept_after;
	if (newest > p->q->after && p->n_sources < MERGE_CHANNELS) {
		p->source[p->n_sources++] = (struct source){
		    .channel_id = sqlite3_column_int64(row, CHANNEL_ID)};
		if (newest > p->newest)
			p->newest = newest;
	} else if (newest > p->q->after) {
		p->is_too_wide = true;
	}
	if (p->channels > MERGE_LOOKED_AT)
		p->is_too_wide = true;
	return !p->is_too_wide;
}

/* The highest kept_after of the channels that are covered, as far as it is
   behind `after`: in its own index, from the top. */
static enum rc
find_cut(struct page_run *p)
{
	sqlite3_stmt *st = db_statement(&p->r->db, ST_CHANNELS_CUT);
	uint64_t floor = p->page->kept_after;
	struct slice name;
	int code;

	if (floor < p->q->after)
		floor = p->q->after;
	if (st == NULL)
		return read_fail(p->r, p->e);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)floor);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		name = names_of_row(st);
		if (name.p == NULL ||
		    (p->q->what != NULL &&
		        !pattern_set_matches(p->q->what, name)))
			continue;
		p->page->kept_after = db_u64(st, CHANNEL_KEPT_AFTER);
		return RC_OK;
	}
	return code == SQLITE_DONE ? RC_OK : read_fail(p->r, p->e);
}

static bool
has_wildcard(const struct pattern_set *what)
{
	for (size_t i = 0; i < what->n; i++)
		if (!pattern_is_exact(what->item[i]))
			return true;
	return false;
}

/*
 * Merges, or scans where that would be more work.  Of a channel that has no row
 * it can't be told whether it was ever there: it counts as forgotten, and a
 * wildcard may always mean such a one.
 */
static enum rc
read_many(struct page_run *p, const struct read_head *head)
{
	const struct pattern_set *what = p->q->what;
	bool is_wild = what == NULL || has_wildcard(what);
	struct source source[MERGE_CHANNELS];
	enum rc rc = RC_OK;

	p->source = source;
	if (what != NULL &&
	    !(is_wild && head->tip.seq < NEAR_TIP + p->q->after))
		rc = read_channels(p->r, what, add_source, p, p->e);
	else
		p->is_too_wide = true;
	if (rc != RC_OK)
		return rc;
	if ((is_wild || p->is_too_wide || p->channels < what->n) &&
	    head->forgotten_after > p->page->kept_after)
		p->page->kept_after = head->forgotten_after;
	if (p->is_too_wide) {
		p->newest = head->tip.seq;
		rc = find_cut(p);
		if (rc == RC_OK && p->newest > p->q->after &&
		    p->q->max_messages > 0)
			rc = read_all(p);
		return rc;
	}
	return p->n_sources == 0 || p->q->max_messages == 0 ? RC_OK
	                                                    : read_merged(p);
}

enum rc
log_read(struct log_reader *r, const struct log_query *q, log_message_fn *fn,
    void *arg, struct log_page *page, struct err *e)
{
	struct log_query query = *q;
	struct page_run p = {
	    .r = r, .q = &query, .fn = fn, .arg = arg, .page = page, .e = e};
	bool is_one = read_is_exact(q->what);
	struct slice one = is_one ? q->what->item[0] : (struct slice){0};
	struct read_head head;
	enum rc rc;

	*page = (struct log_page){0};
	if (query.after > INT64_MAX)
		query.after = INT64_MAX;
	rc = read_begin(r, one, &head, e);
	if (rc != RC_OK)
		return rc;
	page->tip = head.tip;
	page->reached = query.after;
	names_begin_query(&r->names, q->what);
	if (!is_one) {
		rc = read_many(&p, &head);
	} else if (head.channel_id == 0) {
		page->kept_after = head.forgotten_after;
	} else {
		p.newest = head.newest;
		page->kept_after = head.kept_after;
		if (head.newest > query.after && query.max_messages > 0)
			rc = read_one(&p, head.channel_id, one);
	}
	read_end(r);
	page->is_more = page->reached < p.newest;
	if (!page->is_more)
		page->reached = head.tip.seq;
	return rc;
}

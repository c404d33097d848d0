/* log_before_last: where the newest n messages begin. */
#include "log/read.h"

#define LAST_MAX 1000

/* The highest n seqs seen so far: a heap with the lowest on top. */
struct last {
	struct log_reader *r;
	uint64_t seq[LAST_MAX];
	uint32_t n, max;
	sqlite3_stmt *st;
	int code; /* of the latest step */
};

static void
sift_up(struct last *l, uint32_t i)
{
	uint64_t seq = l->seq[i];

	for (; i > 0 && seq < l->seq[(i - 1) / 2]; i = (i - 1) / 2)
		l->seq[i] = l->seq[(i - 1) / 2];
	l->seq[i] = seq;
}

static void
sift_down(struct last *l)
{
	uint64_t seq = l->seq[0];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < l->n) {
		if (child + 1 < l->n && l->seq[child + 1] < l->seq[child])
			child++;
		if (seq <= l->seq[child])
			break;
		l->seq[i] = l->seq[child];
		i = child;
	}
	l->seq[i] = seq;
}

static void
add_seq(struct last *l, uint64_t seq)
{
	if (l->n < l->max) {
		l->seq[l->n] = seq;
		sift_up(l, l->n++);
	} else if (seq > l->seq[0]) {
		l->seq[0] = seq;
		sift_down(l);
	}
}

/* Takes the newest seqs of one channel, as far as they are high enough. */
static bool
add_channel(void *arg, sqlite3_stmt *row, struct slice name)
{
	struct last *l = arg;
	uint64_t floor = l->n == l->max ? l->seq[0] : 0;

	(void)name;
	if (db_u64(row, CHANNEL_NEWEST) <= floor)
		return true;
	l->st = db_statement(&l->r->db, ST_LAST_SEQS_OF);
	if (l->st == NULL) {
		l->code = SQLITE_ERROR;
		return false;
	}
	sqlite3_bind_int64(l->st, 1, sqlite3_column_int64(row, CHANNEL_ID));
	sqlite3_bind_int64(l->st, 2, (sqlite3_int64)floor);
	sqlite3_bind_int64(l->st, 3, l->max);
	while ((l->code = sqlite3_step(l->st)) == SQLITE_ROW)
		add_seq(l, db_u64(l->st, 0));
	return l->code == SQLITE_DONE;
}

static void
add_all(struct last *l)
{
	l->code = SQLITE_ERROR;
	l->st = db_statement(&l->r->db, ST_LAST_SEQS);
	if (l->st == NULL)
		return;
	sqlite3_bind_int64(l->st, 1, l->max);
	while ((l->code = sqlite3_step(l->st)) == SQLITE_ROW)
		add_seq(l, db_u64(l->st, 0));
}

enum rc
log_before_last(struct log_reader *r, const struct pattern_set *what,
    uint32_t n, uint64_t *after, struct log_tip *tip, struct err *e)
{
	struct last l = {.r = r, .max = n, .code = SQLITE_DONE};
	struct read_head head;
	enum rc rc;

	*after = 0;
	if (n > LAST_MAX)
		return err_set(e, RC_BAD,
		    "last is %u: at most %d can be asked for", n, LAST_MAX);
	rc = read_begin(r, (struct slice){0}, &head, e);
	*tip = head.tip;
	if (rc != RC_OK)
		return rc;
	*after = head.tip.seq;
	if (n > 0 && what == NULL)
		add_all(&l);
	else if (n > 0)
		rc = read_channels(r, what, add_channel, &l, e);
	if (rc == RC_OK && l.code != SQLITE_DONE)
		rc = read_fail(r, e);
	read_end(r);
	if (rc == RC_OK && l.n > 0)
		*after = l.seq[0] - 1;
	return rc;
}

#include "log/retain.h"

#include "base/channel.h"
#include "base/clock.h"
#include "log/change.h"
#include "log/names.h"

#define PAGE 128 /* channels looked at in one step */

struct channel {
	int64_t id, emptied_ms;
	uint64_t messages, bytes;
	uint64_t gone;                 /* kept_after, were it empty */
	const struct log_retain *rule; /* NULL: keep everything */
};

struct step {
	struct retain *r;
	struct db *db;
	const struct log_options *o;
	int64_t now_ms;
	uint32_t left; /* rows that may still go */
	uint64_t deleted;
	bool is_writing; /* in a transaction */
	struct err *e;
};

static const struct log_retain *
rule_of(const struct log_options *o, struct slice name)
{
	for (size_t i = 0; i < o->n_retain; i++)
		if (pattern_matches(o->retain[i].pattern, name))
			return &o->retain[i];
	return NULL;
}

static struct channel
channel_of_row(const struct log_options *o, sqlite3_stmt *st)
{
	uint64_t newest = db_u64(st, CHANNEL_NEWEST);
	uint64_t kept_after = db_u64(st, CHANNEL_KEPT_AFTER);
	struct slice name = names_of_row(st);

	return (struct channel){
	    .id = sqlite3_column_int64(st, CHANNEL_ID),
	    .emptied_ms = sqlite3_column_int64(st, CHANNEL_EMPTIED_MS),
	    .messages = db_u64(st, CHANNEL_MESSAGES),
	    .bytes = db_u64(st, CHANNEL_BYTES),
	    .gone = newest > kept_after ? newest : kept_after,
	    .rule = name.p == NULL ? NULL : rule_of(o, name),
	};
}

/* The next channels, as they were at this moment. */
static enum rc
next_page(struct step *s, struct channel channel[PAGE], size_t *n)
{
	sqlite3_stmt *st = db_statement(s->db, ST_CHANNELS_BY_ID);
	int code;

	*n = 0;
	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, s->r->channel_id);
	sqlite3_bind_int(st, 2, PAGE);
	while ((code = sqlite3_step(st)) == SQLITE_ROW)
		channel[(*n)++] = channel_of_row(s->o, st);
	if (code != SQLITE_DONE)
		return db_fail(s->db, s->e);
	sqlite3_reset(st);
	return RC_OK;
}

/* The count and bytes that are left tell, or the age, that the oldest goes. */
static bool
is_over_bounds(const struct step *s, const struct channel *c, int64_t oldest_ms)
{
	const struct log_retain *rule = c->rule;

	if (rule->age_ms > 0 && oldest_ms < s->now_ms - (int64_t)rule->age_ms)
		return true;
	if (c->messages <= 1)
		return false;
	return (rule->messages > 0 && c->messages > rule->messages) ||
	    (rule->bytes > 0 && c->bytes > rule->bytes);
}

static enum rc
is_due(struct step *s, const struct channel *c, bool *due)
{
	sqlite3_stmt *st;
	int code;

	*due = false;
	if (c->messages == 0) {
		*due = c->emptied_ms > 0 &&
		    c->emptied_ms < s->now_ms - RETAIN_FORGET_MS;
		return RC_OK;
	}
	if (c->rule == NULL)
		return RC_OK;
	*due = is_over_bounds(s, c, s->now_ms);
	if (*due || c->rule->age_ms == 0)
		return RC_OK;
	st = db_statement(s->db, ST_OLDEST);
	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, c->id);
	sqlite3_bind_int(st, 2, 1);
	code = sqlite3_step(st);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return db_fail(s->db, s->e);
	/* no row: the count is wrong, and trimming rights it */
	*due = code == SQLITE_DONE ||
	    is_over_bounds(s, c, sqlite3_column_int64(st, OLDEST_TIME_MS));
	sqlite3_reset(st);
	return RC_OK;
}

static enum rc
begin(struct step *s)
{
	enum rc rc;

	if (s->is_writing)
		return RC_OK;
	rc = db_run(s->db, db_statement(s->db, ST_BEGIN), s->e);
	s->is_writing = rc == RC_OK;
	return rc;
}

/* Reads c anew, now that nobody else can change it.  A channel that is gone
   has no messages. */
static enum rc
read_again(struct step *s, struct channel *c)
{
	sqlite3_stmt *st = db_statement(s->db, ST_CHANNEL_BY_ID);
	int64_t id = c->id;
	int code;

	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, id);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*c = channel_of_row(s->o, st);
	else if (code == SQLITE_DONE)
		*c = (struct channel){.id = id};
	else
		return db_fail(s->db, s->e);
	sqlite3_reset(st);
	return RC_OK;
}

/* Walks from the oldest message on: c becomes what is left, *last the last one
   to go (0: none), *n how many they are. */
static enum rc
find_last(struct step *s, struct channel *c, uint64_t *last, uint32_t *n)
{
	sqlite3_stmt *st = db_statement(s->db, ST_OLDEST);
	uint64_t bytes;
	int code;

	*last = *n = 0;
	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, c->id);
	sqlite3_bind_int64(st, 2, s->left);
	while ((code = sqlite3_step(st)) == SQLITE_ROW &&
	    is_over_bounds(s, c, sqlite3_column_int64(st, OLDEST_TIME_MS))) {
		*last = db_u64(st, OLDEST_SEQ);
		bytes = db_u64(st, OLDEST_BYTES);
		c->messages -= c->messages > 0;
		c->bytes -= bytes < c->bytes ? bytes : c->bytes;
		++*n;
	}
	if (code == SQLITE_DONE && *n < s->left)
		c->messages = c->bytes = 0; /* there are none, for certain */
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return db_fail(s->db, s->e);
	sqlite3_reset(st);
	return RC_OK;
}

/* Deletes the channel's messages up to seq `last`. */
static enum rc
delete_messages(struct step *s, int64_t channel_id, uint64_t last)
{
	sqlite3_stmt *st = db_statement(s->db, ST_NEWEST_GOES);
	enum rc rc;

	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)last);
	rc = db_run(s->db, st, s->e);
	if (rc != RC_OK)
		return rc;
	st = db_statement(s->db, ST_MESSAGES_DELETE);
	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, channel_id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)last);
	return db_run(s->db, st, s->e);
}

static enum rc
trim(struct step *s, struct channel *c)
{
	sqlite3_stmt *st;
	uint64_t last;
	uint32_t n;
	enum rc rc = find_last(s, c, &last, &n);

	if (rc == RC_OK)
		rc = delete_messages(s, c->id, last);
	if (rc != RC_OK)
		return rc;
	st = db_statement(s->db, ST_CHANNEL_SHRANK);
	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, c->id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)last);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)c->messages);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)c->bytes);
	sqlite3_bind_int64(st, 5, s->now_ms);
	s->left -= n;
	s->deleted += n;
	return db_run(s->db, st, s->e);
}

/*
 * Forgets an empty channel.  meta keeps its kept_after on behalf of all that
 * are gone, so that a reader who comes back late is still told of the gap.
 * Not while ids of it are remembered: they would be free again.
 */
static enum rc
forget(struct step *s, const struct channel *c)
{
	sqlite3_stmt *st = db_statement(s->db, ST_CHANNEL_DELETE);
	enum rc rc;

	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, c->id);
	rc = db_run(s->db, st, s->e);
	if (rc != RC_OK || sqlite3_changes(s->db->c) == 0)
		return rc;
	s->left--;
	st = db_statement(s->db, ST_FORGOTTEN);
	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)c->gone);
	return db_run(s->db, st, s->e);
}

static enum rc
do_channel(struct step *s, struct channel *c)
{
	bool due;
	enum rc rc = is_due(s, c, &due);

	if (rc != RC_OK || !due)
		return rc;
	if ((rc = begin(s)) != RC_OK || (rc = read_again(s, c)) != RC_OK ||
	    (rc = is_due(s, c, &due)) != RC_OK || !due)
		return rc;
	return c->messages == 0 ? forget(s, c) : trim(s, c);
}

static enum rc
do_channels(struct step *s)
{
	struct channel channel[PAGE];
	size_t n;
	enum rc rc = next_page(s, channel, &n);

	for (size_t i = 0; i < n && rc == RC_OK && s->left > 0; i++) {
		rc = do_channel(s, &channel[i]);
		/* else there may be more of it to delete */
		if (s->left > 0)
			s->r->channel_id = channel[i].id;
	}
	if (n < PAGE && s->left > 0)
		s->r->at = RETAIN_IDS;
	return rc;
}

static enum rc
do_ids(struct step *s)
{
	sqlite3_stmt *st = db_statement(s->db, ST_DEDUPE_IS_OLD);
	int64_t oldest_ms = s->now_ms - (int64_t)s->o->dedupe_ms;
	int code;
	enum rc rc;

	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, oldest_ms);
	code = sqlite3_step(st);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return db_fail(s->db, s->e);
	sqlite3_reset(st);
	if (code == SQLITE_DONE) {
		s->r->at = RETAIN_SESSIONS;
		return RC_OK;
	}
	rc = begin(s);
	if (rc != RC_OK)
		return rc;
	st = db_statement(s->db, ST_DEDUPE_DELETE);
	if (st == NULL)
		return db_fail(s->db, s->e);
	sqlite3_bind_int64(st, 1, oldest_ms);
	sqlite3_bind_int64(st, 2, s->left);
	return db_run(s->db, st, s->e);
}

static enum rc
do_sessions(struct step *s, bool *is_over)
{
	struct change_at at = {
	    .db = s->db, .o = s->o, .now_ms = s->now_ms, .e = s->e};
	bool is_old = false;
	enum rc rc = RC_OK;

	if (s->o->session_idle_ms > 0)
		rc = change_has_old(&at, &is_old);
	*is_over = rc == RC_OK && !is_old;
	if (rc != RC_OK || !is_old)
		return rc;
	rc = begin(s);
	return rc == RC_OK ? change_delete_old(&at, &s->left) : rc;
}

static enum rc
do_part(struct step *s, bool *is_over)
{
	switch (s->r->at) {
	case RETAIN_CHANNELS:
		return do_channels(s);
	case RETAIN_IDS:
		return do_ids(s);
	case RETAIN_SESSIONS:
		return do_sessions(s, is_over);
	}
	return RC_OK;
}

enum rc
retain_step(struct retain *r, struct db *db, const struct log_options *o,
    int64_t now_ms, bool *is_over, uint64_t *deleted, struct err *e)
{
	struct step s = {.r = r,
	    .db = db,
	    .o = o,
	    .now_ms = now_ms,
	    .e = e,
	    .left = o->retain_step == 0 ? 1 : o->retain_step};
	enum rc rc;

	*is_over = false;
	rc = do_part(&s, is_over);
	if (rc == RC_OK && s.is_writing)
		rc = db_run(db, db_statement(db, ST_COMMIT), e);
	if (rc != RC_OK) {
		for (int i = 0; i < ST_COUNT; i++)
			sqlite3_reset(db->statement[i]);
		db_rollback(db);
		s.deleted = 0;
	}
	if (rc != RC_OK || *is_over)
		*r = (struct retain){0};
	*deleted = s.deleted;
	return rc;
}

enum rc
retain_anywhere(struct retain *r, struct db *db, struct err *e)
{
	sqlite3_stmt *st = db_statement(db, ST_CHANNEL_LAST);
	uint64_t last;

	if (st == NULL || sqlite3_step(st) != SQLITE_ROW)
		return db_fail(db, e);
	last = db_u64(st, 0);
	sqlite3_reset(st);
	/* from up to a page before the first, or that
	   would seldom get a turn */
	*r = (struct retain){
	    .channel_id =
	        (int64_t)(clock_random() % (last + PAGE - 1)) - PAGE + 1};
	return RC_OK;
}

#include "log/change.h"

/* The statement with its first parameter, which most have, bound. */
static sqlite3_stmt *
statement_of(const struct change_at *at, enum statement s, int64_t first)
{
	sqlite3_stmt *st = db_statement(at->db, s);

	if (st != NULL)
		sqlite3_bind_int64(st, 1, first);
	return st;
}

/* Runs the statement of one or two numbers. */
static enum rc
run(const struct change_at *at, enum statement s, int64_t first, int64_t second)
{
	sqlite3_stmt *st = statement_of(at, s, first);

	if (st != NULL && sqlite3_bind_parameter_count(st) > 1)
		sqlite3_bind_int64(st, 2, second);
	return db_run(at->db, st, at->e);
}

/* The first column of the one row, if there is one. */
static enum rc
look(const struct change_at *at, sqlite3_stmt *st, bool *is_there,
    int64_t *value)
{
	int code = st == NULL ? SQLITE_ERROR : sqlite3_step(st);

	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return db_fail(at->db, at->e);
	*is_there = code == SQLITE_ROW;
	*value = *is_there ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return RC_OK;
}

static enum rc
refuse(struct log_change *c, enum rc rc, const char *why)
{
	c->rc = rc;
	c->why = why;
	return RC_OK;
}

static enum rc
find_session(const struct change_at *at, struct log_change *c, bool *is_there)
{
	sqlite3_stmt *st = db_statement(at->db, ST_SESSION_SLOT);
	int64_t slot;
	enum rc rc;

	if (st != NULL)
		db_bind(st, 1, c->id);
	rc = look(at, st, is_there, &slot);
	c->slot = (uint32_t)slot;
	return rc;
}

static enum rc
add_session(const struct change_at *at, const struct log_change *c)
{
	sqlite3_stmt *st = statement_of(at, ST_SESSION_ADD, c->slot);

	if (st == NULL)
		return db_fail(at->db, at->e);
	db_bind(st, 2, c->id);
	if (c->browser.p == NULL)
		sqlite3_bind_null(st, 3);
	else
		sqlite3_bind_blob64(
		    st, 3, c->browser.p, c->browser.n, SQLITE_STATIC);
	sqlite3_bind_int(st, 4, c->has_ack);
	sqlite3_bind_int(st, 5, c->has_replay);
	sqlite3_bind_int64(st, 6, at->now_ms);
	sqlite3_bind_int64(st, 7, (sqlite3_int64)at->tip.seq);
	sqlite3_bind_int64(st, 8, at->tip.epoch);
	return db_run(at->db, st, at->e);
}

/* With the lowest slot that is free, so that they stay below the bound. */
static enum rc
make(const struct change_at *at, struct log_change *c, bool is_there)
{
	int64_t slot;
	enum rc rc;

	if (is_there)
		return refuse(c, RC_DENIED, "the session's id is in use");
	rc = look(at, db_statement(at->db, ST_SLOT_LOWEST), &is_there, &slot);
	if (rc != RC_OK)
		return rc;
	if (slot >= (int64_t)at->o->sessions)
		return refuse(c, RC_BUSY,
		    "there are as many sessions as bayeux-sessions allows");
	c->slot = (uint32_t)slot;
	c->begin = at->tip.seq;
	rc = run(at, ST_SLOT_TAKE, slot, 0);
	return rc == RC_OK ? add_session(at, c) : rc;
}

/* *n: subscriptions that there would be. */
static enum rc
count(const struct change_at *at, const struct log_change *c, uint64_t *n)
{
	sqlite3_stmt *st = statement_of(at, ST_SUBSCRIPTION_COUNT, c->slot);
	bool is_there;
	int64_t value;
	enum rc rc = look(at, st, &is_there, &value);

	*n = (uint64_t)value + c->n;
	for (size_t i = 0; i < c->n && rc == RC_OK; i++) {
		st = statement_of(at, ST_SUBSCRIPTION, c->slot);
		if (st != NULL)
			db_bind(st, 2, c->item[i].pattern);
		rc = look(at, st, &is_there, &value);
		*n -= is_there;
	}
	return rc;
}

static uint64_t
after_of(const struct change_at *at, const struct log_subscription *s)
{
	return s->after == LOG_AFTER_NEWEST ? at->tip.seq : s->after;
}

static enum rc
put_subscriptions(const struct change_at *at, const struct log_change *c)
{
	sqlite3_stmt *st;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < c->n && rc == RC_OK; i++) {
		st = statement_of(at, ST_SUBSCRIPTION_PUT, c->slot);
		if (st != NULL) {
			db_bind(st, 2, c->item[i].pattern);
			sqlite3_bind_int64(
			    st, 3, (sqlite3_int64)after_of(at, &c->item[i]));
		}
		rc = db_run(at->db, st, at->e);
	}
	return rc;
}

/* Where the session has to go on from, so that it passes all beginnings. */
static uint64_t
begin_of(const struct change_at *at, const struct log_change *c)
{
	uint64_t begin = c->cursor, after;

	for (size_t i = 0; i < c->n; i++) {
		after = after_of(at, &c->item[i]);
		if (after < begin)
			begin = after;
	}
	return begin;
}

/* To c->begin; what was given stays given to the subscriptions that it has. */
static enum rc
go_back(const struct change_at *at, const struct log_change *c)
{
	sqlite3_stmt *st;
	enum rc rc =
	    run(at, ST_SUBSCRIPTIONS_RAISE, c->slot, (int64_t)c->cursor);

	if (rc != RC_OK)
		return rc;
	st = statement_of(at, ST_SESSION_BACK, c->slot);
	if (st != NULL) {
		sqlite3_bind_int64(st, 2, (sqlite3_int64)c->begin);
		sqlite3_bind_int64(st, 3, at->now_ms);
	}
	return db_run(at->db, st, at->e);
}

static enum rc
subscribe(const struct change_at *at, struct log_change *c)
{
	uint64_t n;
	enum rc rc = count(at, c, &n);

	if (rc != RC_OK)
		return rc;
	if (n > at->o->subscriptions)
		return refuse(c, RC_TOO_LARGE,
		    "more subscriptions than bayeux-subscriptions allows");
	c->begin = begin_of(at, c);
	if (c->begin < c->cursor)
		rc = go_back(at, c);
	if (rc == RC_OK && c->has_replay)
		rc = run(at, ST_SESSION_REPLAYS, c->slot, 0);
	return rc == RC_OK ? put_subscriptions(at, c) : rc;
}

static enum rc
unsubscribe(const struct change_at *at, const struct log_change *c)
{
	sqlite3_stmt *st;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < c->n && rc == RC_OK; i++) {
		st = statement_of(at, ST_SUBSCRIPTION_DELETE, c->slot);
		if (st != NULL)
			db_bind(st, 2, c->item[i].pattern);
		rc = db_run(at->db, st, at->e);
	}
	return rc;
}

static enum rc
see(const struct change_at *at, const struct log_change *c)
{
	sqlite3_stmt *st = statement_of(at, ST_SESSION_SEEN, c->slot);

	if (st != NULL) {
		sqlite3_bind_int64(st, 2, at->now_ms);
		sqlite3_bind_int64(st, 3, (sqlite3_int64)c->cursor);
		sqlite3_bind_int64(st, 4, c->epoch);
		sqlite3_bind_int64(st, 5, at->now_ms - LOG_SESSION_WRITE_MS);
	}
	return db_run(at->db, st, at->e);
}

/* *rows: how many went. */
static enum rc
delete_session(const struct change_at *at, int64_t slot, uint32_t *rows)
{
	enum rc rc = run(at, ST_SUBSCRIPTIONS_DELETE, slot, 0);

	if (rc != RC_OK)
		return rc;
	*rows = 1 + (uint32_t)sqlite3_changes(at->db->c);
	rc = run(at, ST_SESSION_DELETE, slot, 0);
	return rc == RC_OK ? run(at, ST_SLOT_GIVE_BACK, slot, 0) : rc;
}

enum rc
change_store(const struct change_at *at, struct log_change *c)
{
	bool is_there;
	uint32_t rows;
	enum rc rc = find_session(at, c, &is_there);

	c->rc = RC_OK;
	c->why = "";
	c->tip = at->tip;
	if (rc != RC_OK)
		return rc;
	if (!is_there && c->kind != LOG_SESSION_NEW)
		return refuse(c, RC_MISSING, "there is no such session");
	switch (c->kind) {
	case LOG_SESSION_NEW:
		return make(at, c, is_there);
	case LOG_SESSION_SUBSCRIBE:
		return subscribe(at, c);
	case LOG_SESSION_UNSUBSCRIBE:
		return unsubscribe(at, c);
	case LOG_SESSION_SEEN:
		return see(at, c);
	case LOG_SESSION_END:
		return delete_session(at, c->slot, &rows);
	}
	return RC_OK;
}

bool
change_is_told(const struct log_change *c)
{
	return c->rc == RC_OK && c->kind != LOG_SESSION_NEW &&
	    c->kind != LOG_SESSION_SEEN;
}

static int64_t
oldest_ms(const struct change_at *at)
{
	return at->now_ms - (int64_t)at->o->session_idle_ms -
	    LOG_SESSION_WRITE_MS;
}

enum rc
change_has_old(const struct change_at *at, bool *is_old)
{
	int64_t slot;

	*is_old = false;
	if (at->o->session_idle_ms == 0)
		return RC_OK;
	return look(
	    at, statement_of(at, ST_SESSION_OLD, oldest_ms(at)), is_old, &slot);
}

enum rc
change_delete_old(const struct change_at *at, uint32_t *left)
{
	bool is_old = true;
	int64_t slot;
	uint32_t rows;
	enum rc rc = RC_OK;

	while (*left > 0) {
		rc = look(at, statement_of(at, ST_SESSION_OLD, oldest_ms(at)),
		    &is_old, &slot);
		if (rc != RC_OK || !is_old)
			return rc;
		rc = delete_session(at, slot, &rows);
		if (rc != RC_OK)
			return rc;
		*left -= rows < *left ? rows : *left;
	}
	return rc;
}

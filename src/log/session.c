#include "log/session.h"

#include "log/read.h"

#include <stdlib.h>

/* The bytes of a column of text or BLOB. */
static struct slice
bytes_of(sqlite3_stmt *st, int column)
{
	const void *p = sqlite3_column_blob(st, column);
	int n = sqlite3_column_bytes(st, column);

	return (struct slice){p, p == NULL ? 0 : (size_t)n};
}

/* Room for the subscriptions and all text, in one allocation: s->item. */
static enum rc
read_row(sqlite3_stmt *st, struct log_session *s, char **text, struct err *e)
{
	struct slice browser = bytes_of(st, SESSION_BROWSER);
	size_t n = (size_t)db_u64(st, SESSION_SUBSCRIPTIONS);
	size_t bytes = (size_t)db_u64(st, SESSION_BYTES);

	*s = (struct log_session){
	    .slot = (uint32_t)db_u64(st, SESSION_SLOT),
	    .has_ack = sqlite3_column_int(st, SESSION_HAS_ACK) != 0,
	    .has_replay = sqlite3_column_int(st, SESSION_HAS_REPLAY) != 0,
	    .seen_ms = sqlite3_column_int64(st, SESSION_SEEN_MS),
	    .cursor = db_u64(st, SESSION_CURSOR),
	    .epoch = (uint32_t)sqlite3_column_int64(st, SESSION_EPOCH),
	    .n = n,
	    .item = malloc(n * sizeof *s->item + bytes + browser.n + 1),
	};
	if (s->item == NULL)
		return err_set(e, RC_NOMEM, "no memory for a session");
	*text = (char *)(s->item + n);
	s->browser = slice_copy(text, browser);
	return RC_OK;
}

static enum rc
read_subscriptions(
    struct log_reader *r, struct log_session *s, char *text, struct err *e)
{
	sqlite3_stmt *st = db_statement(&r->db, ST_SUBSCRIPTIONS);
	int code = SQLITE_DONE;
	size_t i = 0;

	if (st == NULL)
		return read_fail(r, e);
	sqlite3_bind_int64(st, 1, s->slot);
	while (i < s->n && (code = sqlite3_step(st)) == SQLITE_ROW)
		s->item[i++] = (struct log_subscription){
		    .pattern =
		        slice_copy(&text, bytes_of(st, SUBSCRIPTION_PATTERN)),
		    .after = db_u64(st, SUBSCRIPTION_AFTER),
		};
	return i == s->n ? RC_OK : read_fail(r, e);
}

enum rc
log_session_read(
    struct log_reader *r, struct slice id, struct log_session *s, struct err *e)
{
	struct read_head head;
	sqlite3_stmt *st;
	char *text = NULL;
	int code;
	enum rc rc;

	*s = (struct log_session){0};
	rc = read_begin(r, (struct slice){0}, &head, e);
	if (rc != RC_OK)
		return rc;
	st = db_statement(&r->db, ST_SESSION);
	if (st == NULL)
		return read_fail(r, e);
	db_bind(st, 1, id);
	code = sqlite3_step(st);
	if (code == SQLITE_DONE)
		rc = err_set(e, RC_MISSING, "there is no such session");
	else if (code != SQLITE_ROW)
		return read_fail(r, e);
	else
		rc = read_row(st, s, &text, e);
	if (rc == RC_OK)
		rc = read_subscriptions(r, s, text, e);
	s->tip = head.tip;
	read_end(r);
	if (rc != RC_OK)
		log_session_fini(s);
	return rc;
}

void
log_session_fini(struct log_session *s)
{
	free(s->item);
	*s = (struct log_session){0};
}

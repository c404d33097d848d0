#include "log/db.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

/*
 * SQLite's own handler backs off by 1, 2, 5, 10 ms and more, while a group
 * commit holds the lock for a few hundred microseconds.
 */
static int
wait_for_lock(void *arg, int count)
{
	struct db *db = arg;
	uint64_t now = clock_mono_ms();
	struct timespec pause = {0, 100000 + count * 7919 % 100000};

	if (count == 0)
		db->busy_until_ms = now + db->busy_ms;
	if (now >= db->busy_until_ms)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

enum rc
db_fail(struct db *db, struct err *e)
{
	int code = sqlite3_extended_errcode(db->c);
	enum rc rc = RC_LOG;

	if (db->c == NULL || (code & 0xff) == SQLITE_NOMEM)
		rc = RC_NOMEM;
	else if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
		rc = RC_BUSY;
	return err_set(
	    e, rc, "%s: %s (%d)", db->path, sqlite3_errmsg(db->c), code);
}

/*
 * No memory map: a file cut short by someone would then end the process with
 * SIGBUS.  Deleted content needn't be overwritten with zeros where that would
 * cost writes of its own (Debian's SQLite does so unless told).
 */
static enum rc
settle(
    struct db *db, enum db_use use, const struct log_options *o, struct err *e)
{
	char text[256];

	snprintf(text, sizeof text,
	    "PRAGMA mmap_size = 0; PRAGMA secure_delete = FAST;"
	    "PRAGMA cache_size = %d; PRAGMA synchronous = %s;"
	    "PRAGMA wal_autocheckpoint = 0;"
	    "PRAGMA journal_size_limit = 67108864; PRAGMA query_only = %d",
	    use == DB_READ ? -512 : -4096,
	    o->durability == LOG_NORMAL ? "NORMAL" : "FULL", use == DB_READ);
	return db_exec(db, text, e);
}

/* The inode that the connection holds must be the one that we remember. */
static bool
identify(struct db *db)
{
	int has_moved = 1;

	return file_identify(db->path, &db->file) &&
	    sqlite3_file_control(
	        db->c, NULL, SQLITE_FCNTL_HAS_MOVED, &has_moved) == SQLITE_OK &&
	    !has_moved;
}

enum rc
db_open(struct db *db, const char *path, enum db_use use,
    const struct log_options *o, struct err *e)
{
	enum rc rc;

	*db = (struct db){.path = path, .busy_ms = o->busy_ms};
	if (sqlite3_open_v2(path, &db->c,
	        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
	        NULL) != SQLITE_OK) {
		rc = db_fail(db, e);
		goto fail;
	}
	sqlite3_extended_result_codes(db->c, 1);
	sqlite3_busy_handler(db->c, wait_for_lock, db);
	if (!identify(db)) {
		rc = err_set(
		    e, RC_LOG, "%s was replaced while it was opened", path);
		goto fail;
	}
	rc = settle(db, use, o, e);
	if (rc == RC_OK)
		return RC_OK;
fail:
	db_close(db);
	return rc;
}

void
db_close(struct db *db)
{
	for (int i = 0; i < ST_COUNT; i++)
		sqlite3_finalize(db->statement[i]);
	sqlite3_close(db->c);
	*db = (struct db){.path = db->path};
}

bool
db_is_replaced(const struct db *db)
{
	struct file_id now;

	return !file_identify(db->path, &now) || !file_is_same(now, db->file);
}

sqlite3_stmt *
db_statement(struct db *db, enum statement s)
{
	sqlite3_stmt **st = &db->statement[s];

	if (*st == NULL)
		(void)sqlite3_prepare_v3(db->c, statement_sql[s], -1,
		    SQLITE_PREPARE_PERSISTENT, st, NULL);
	else
		sqlite3_reset(*st);
	return *st;
}

enum rc
db_run(struct db *db, sqlite3_stmt *s, struct err *e)
{
	enum rc rc = RC_OK;

	if (s == NULL || sqlite3_step(s) != SQLITE_DONE)
		rc = db_fail(db, e);
	sqlite3_reset(s);
	return rc;
}

enum rc
db_exec(struct db *db, const char *sql, struct err *e)
{
	if (sqlite3_exec(db->c, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_fail(db, e);
	return RC_OK;
}

enum rc
db_int(struct db *db, const char *sql, int64_t *value, struct err *e)
{
	sqlite3_stmt *s = NULL;
	enum rc rc = RC_OK;

	if (sqlite3_prepare_v2(db->c, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		rc = db_fail(db, e);
	else
		*value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc;
}

void
db_rollback(struct db *db)
{
	if (db->c != NULL && !sqlite3_get_autocommit(db->c))
		(void)sqlite3_exec(db->c, "ROLLBACK", NULL, NULL, NULL);
}

int
db_bind(sqlite3_stmt *st, int at, struct slice s)
{
	if (s.p == NULL)
		return sqlite3_bind_null(st, at);
	return sqlite3_bind_text64(
	    st, at, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8);
}

uint64_t
db_u64(sqlite3_stmt *st, int column)
{
	sqlite3_int64 v = sqlite3_column_int64(st, column);

	return v < 0 ? 0 : (uint64_t)v;
}

/*
 * One connection to the database file: its settings, how it waits for locks,
 * its prepared statements, and the meaning of SQLite's results.  Inside log/
 * only.  A struct db belongs to one thread at a time.
 */
#ifndef COMETLOG_LOG_DB_H
#define COMETLOG_LOG_DB_H

#include "log/file.h"
#include "log/log.h"
#include "log/statement.h"

#include <sqlite3.h>

enum db_use {
	DB_READ,  /* can't write; a small cache, for there may be many */
	DB_WRITE, /* never checkpoints by itself */
};

struct db {
	sqlite3 *c;                        /* NULL: closed */
	const char *path;                  /* borrowed from the log */
	struct file_id file;               /* what lay at path when
	                                      it was opened */
	uint32_t busy_ms;                  /* how long to wait for a lock */
	uint64_t busy_until_ms;            /* of the wait under way */
	sqlite3_stmt *statement[ST_COUNT]; /* prepared when first used */
};

/*
 * Opens the existing file at path (borrowed until db_close; it and its
 * neighbours keep their permissions).  On failure db is closed.  The struct
 * mustn't move while it is open.
 */
enum rc db_open(struct db *db, const char *path, enum db_use use,
    const struct log_options *o, struct err *e) MUST_CHECK;

/* Harmless on a closed one. */
void db_close(struct db *db);

/* True if another file, or none, lies at the path now.  One stat(2). */
bool db_is_replaced(const struct db *db);

/* The statement, reset; its bindings are as they were.  NULL: it can't be
   prepared; db_fail knows why. */
sqlite3_stmt *db_statement(struct db *db, enum statement s);

/* Runs a statement that gives no rows, and resets it. */
enum rc db_run(struct db *db, sqlite3_stmt *s, struct err *e) MUST_CHECK;

/* Runs SQL text whose rows don't matter. */
enum rc db_exec(struct db *db, const char *sql, struct err *e) MUST_CHECK;

/* The one number that the SQL text gives. */
enum rc db_int(
    struct db *db, const char *sql, int64_t *value, struct err *e) MUST_CHECK;

/* Undoes the open transaction, if there is one. */
void db_rollback(struct db *db);

/* The latest failure as ours: RC_BUSY (locked), RC_NOMEM, else RC_LOG. */
enum rc db_fail(struct db *db, struct err *e);

/* Borrows s until the statement is bound anew; p == NULL binds NULL. */
int db_bind(sqlite3_stmt *st, int at, struct slice s);

/* A seq, count or size; negative and foreign values are 0. */
uint64_t db_u64(sqlite3_stmt *st, int column);

#endif

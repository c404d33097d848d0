/*
 * How readers, the writer and the checkpointer get their connections: always
 * to the file that lies at the log's path now.  Inside log/ only.
 */
#ifndef COMETLOG_LOG_CONNECT_H
#define COMETLOG_LOG_CONNECT_H

#include "log/db.h"
#include "log/reader.h"

/*
 * Opens db (closed before; it mustn't move) on the file at the log's path.  If
 * that is another one than the log knows, or it went back in time, the log is
 * opened anew first: made if there is none, brought up to date, its epoch read
 * or drawn.  Any thread.  On failure db is closed.
 */
enum rc log_connect(
    struct log *l, struct db *db, enum db_use use, struct err *e) MUST_CHECK;

const struct log_options *log_options_of(const struct log *l);

/* What db sees of the log at this moment. */
enum rc log_head(struct db *db, struct log_tip *tip, struct err *e) MUST_CHECK;

/* The newest that this process has seen.  Any thread. */
struct log_tip log_seen(struct log *l);

/*
 * Takes note of a tip that was read in a transaction, which began after
 * `before` was asked of log_seen.  False: the log is behind what was seen in
 * the same epoch, so it was restored in place.  The caller then closes its
 * connection and connects anew, which draws a new epoch.  Any thread.
 */
bool log_note(struct log *l, struct log_tip before, struct log_tip tip);

#endif

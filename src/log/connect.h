/*
 * How readers, the writer and the checkpointer get their connections: always
 * to the file that lies at the log's path now.  Inside log/ only.
 */
#ifndef COMETLOG_LOG_CONNECT_H
#define COMETLOG_LOG_CONNECT_H

#include "log/db.h"

/*
 * Opens db (closed before; it mustn't move) on the file at the log's path.  If
 * that is another one than the log knows, the log is opened anew first: made if
 * there is none, brought up to date, its epoch read.  Any thread.  On failure
 * db is closed.
 */
enum rc log_connect(struct log *l, struct db *db, enum db_use use,
    struct err *e) MUST_CHECK;

const struct log_options *log_options_of(const struct log *l);

/* What was just read from the file, for log_epoch. */
void log_set_epoch(struct log *l, uint32_t epoch);

#endif

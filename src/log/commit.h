/*
 * Storing a group of appends in one transaction: the writer's SQL.  Belongs to
 * the writer's thread.  Inside log/ only.
 */
#ifndef COMETLOG_LOG_COMMIT_H
#define COMETLOG_LOG_COMMIT_H

#include "log/chanmap.h"
#include "log/db.h"
#include "log/writer.h"

struct commit {
	struct log *log;
	struct db db; /* closed until first used */
	struct chanmap channels;
	uint32_t epoch;   /* that channels is of: the latest group's */
	uint64_t newest;  /* seq of the log after the latest group */
	int wake_fd;      /* -1: not open */
	int wal_pages;    /* after the latest commit; 0: no WAL */
	bool is_early;    /* SQLite commits without
	                     waiting for the disk */
	bool is_doubtful; /* the disk may lack what the WAL has */
};

/* What a group has come to. */
struct stored {
	uint64_t messages, duplicates;
	uint64_t newest; /* seq; 0: nothing was stored */
	bool is_told;    /* others should look: for
	                    messages or changes */
};

/* Opens nothing yet. */
void commit_init(struct commit *c, struct log *l);
void commit_fini(struct commit *c);

/* The connection, to the file that lies at the log's path now. */
enum rc commit_ready(struct commit *c, struct err *e) MUST_CHECK;

/*
 * Stores all appends of the list (each: result, epoch and time_ms are filled)
 * and all changes that are not refused (each: rc and why tell), or none.
 * RC_OK: all processes see them, in the file that lies at the log's path, and
 * they survive the death of any.  RC_BUSY: locked by another all the time.
 * RC_LOG, RC_NOMEM.
 */
enum rc commit_group(struct commit *c, struct append *list,
    struct log_change *changes, struct stored *out, struct err *e) MUST_CHECK;

/* Makes what the log has as durable as configured, also what others stored.
   RC_LOG: it may not be, though readers see it; nor is what comes later, until
   a call succeeds. */
enum rc commit_sync(struct commit *c, struct err *e) MUST_CHECK;

/* Tells those who watch the wake file, and whoever opens the log later. */
void commit_wake(struct commit *c);

/* After a failure of anything on the connection: nothing stays half done. */
void commit_failed(struct commit *c, enum rc rc);

#endif

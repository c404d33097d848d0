/*
 * The message log: one SQLite file that any number of processes share.  The
 * only code that knows SQL.  This header: opening and the facts about a log;
 * log/reader.h reads, log/writer.h appends, log/retain.h deletes what is too old.
 *
 * A struct log is shared by all threads of a process; readers and the writer
 * each hold a connection of their own.
 */
#ifndef COMETLOG_LOG_LOG_H
#define COMETLOG_LOG_LOG_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum log_durability {
	LOG_FULL,       /* synchronous=FULL: an acknowledged message survives power loss */
	LOG_NORMAL,     /* synchronous=NORMAL: survives the death of any process */
};

enum log_journal {
	LOG_WAL,        /* write-ahead log: readers never wait; needs shared memory */
	LOG_ROLLBACK,   /* rollback journal: for file systems without shared memory */
};

/* How long the channels that a pattern covers are kept; 0: no bound. */
struct log_retain {
	struct slice pattern;   /* checked; borrowed from the options */
	uint64_t age_ms, messages, bytes;
};

struct log_options {
	const char *path;               /* of the database file; borrowed */
	enum log_durability durability;
	enum log_journal journal;
	uint32_t busy_ms;               /* how long to wait for another's lock */
	uint64_t dedupe_ms;             /* window of publishers' ids */
	uint64_t message_bytes;         /* limit of data, also for foreign writers */
	const struct log_retain *retain;        /* first match wins; borrowed */
	size_t n_retain;
	uint32_t retain_step;           /* most rows one deleting step takes */
};

struct log;

/*
 * Opens or creates the log: parent folder must exist; the file is made with
 * mode 0600.  Creates the schema, or brings an older one up to date; a newer one than
 * this program knows is RC_CONFIG.  RC_CONFIG, with the reason and what to set
 * instead, also where WAL is asked for and the file system can't do it (NFS and
 * other network file systems by statfs type, or SQLite refusing).
 * RC_LOG: can't be opened, read or created, not a database, locked beyond busy_ms.
 */
enum rc log_open(struct log **out, const struct log_options *o,
    struct err *e) MUST_CHECK;

/* All readers and the writer must have been closed. */
void log_close(struct log *l);

/* 8 hex digits' worth: drawn when the log was created. */
uint32_t log_epoch(const struct log *l);

/*
 * Another file lies at the path than the one that was opened (deleted, moved,
 * restored): readers and the writer reopen it by themselves at their next call, after which
 * log_epoch may differ.  One stat(2).
 */
const char *log_path(const struct log *l);

/* The file that a writer touches after each commit, "<path>-wake", made by
   log_open; and the one that foreign writers change: "<path>-wal", or the
   database itself with LOG_ROLLBACK.  Borrowed until log_close. */
const char *log_wake_path(const struct log *l);
const char *log_change_path(const struct log *l);

#endif

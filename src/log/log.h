/*
 * The message log: one SQLite file that any number of processes share.  The
 * only code that knows SQL.  This header: opening and the facts about a log;
 * log/reader.h reads, log/writer.h appends and deletes what is too old.
 *
 * A struct log is shared by all threads of a process; readers and the writer
 * each hold a connection of their own.
 */
#ifndef COMETLOG_LOG_LOG_H
#define COMETLOG_LOG_LOG_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * LOG_FULL lets readers have a message while the disk still writes it, so a
 * reader may know more than the log does after the loss of power.  Its cursor
 * stays good: the first to open the log after a boot gives the numbers behind
 * the newest message up (LOG_SEQS_SKIPPED of them), so that none is ever given
 * to two messages.  If the wake file tells of more than the log has, there is a
 * new epoch instead, and so a gap.  Where there is no WAL, or the kernel has no
 * name for a boot, it is LOG_STRICT.
 */
enum log_durability {
	LOG_STRICT, /* what anybody was given survives the loss of power */
	LOG_FULL,   /* acknowledged messages survive it */
	LOG_NORMAL, /* they survive the death of any process */
};

/* Far more than can be on the way to the disk at a time. */
#define LOG_SEQS_SKIPPED 1000000

enum log_journal {
	LOG_WAL,      /* readers never wait; needs shared memory */
	LOG_ROLLBACK, /* for file systems without shared memory */
	LOG_AUTO,     /* as the log already is; a new one: WAL where it works */
};

/* How long the channels that a pattern covers are kept; 0: no bound. */
struct log_retain {
	struct slice pattern; /* checked; borrowed from the options */
	uint64_t age_ms, messages, bytes;
};

struct log_options {
	const char *path; /* of the database file; borrowed */
	enum log_durability durability;
	enum log_journal journal;
	uint32_t busy_ms;                /* how long to wait for
	                                    another's lock */
	uint64_t dedupe_ms;              /* window of publishers' ids */
	uint64_t message_bytes;          /* limit of data, also
	                                    for foreign writers */
	const struct log_retain *retain; /* first match wins; borrowed */
	size_t n_retain;
	uint32_t retain_step;     /* most rows one deleting step takes */
	bool is_guest;            /* takes message_bytes and dedupe_ms
	                             from a log that is there already,
	                             instead of giving it these: for
	                             tools, which may not know what the
	                             site has set */
	uint32_t sessions;        /* at most; 0: none (log/session.h) */
	uint32_t subscriptions;   /* of one session, at most */
	uint64_t session_idle_ms; /* unused so long, they are deleted; 0:
	                             not by this process */
};

struct log;

/*
 * Opens or creates the log: its folder must exist and be writable; the file is
 * made with mode 0600.  Symbolic links are resolved once, here.  Creates the
 * schema, or brings an older one up to date.
 * RC_CONFIG, with the reason and what to set instead: the schema is newer than
 * this program knows; WAL is asked for and the file system can't do it (NFS and
 * other network file systems by statfs type, or SQLite refusing); another
 * process uses the file with the other journal.
 * RC_LOG: can't be opened, read or created, not a log of ours, locked for 20 s
 * and busy_ms.  RC_NOMEM.
 */
enum rc log_open(
    struct log **out, const struct log_options *o, struct err *e) MUST_CHECK;

/* All readers and the writer must have been closed. */
void log_close(struct log *l);

/*
 * 8 hex digits' worth: drawn when the log was created, and anew when a copy of
 * it came to lie there or it was restored in place: when it is found with fewer
 * messages than this process has seen, or than the wake file tells of.  Any
 * thread.
 *
 * Once another file lies at the path than the one that was opened (deleted,
 * moved, restored), readers and the writer go over to it by themselves at
 * their next call, making a new log if there is none; then the epoch differs.
 * (A copy that is moved into the place of a log in use must be whole, without
 * a WAL of its own: made by VACUUM INTO or .backup.)
 */
uint32_t log_epoch(const struct log *l);

/* Most bytes of one message's data. */
uint64_t log_message_bytes(const struct log *l);

/* Where the log lies, as an absolute name.  Borrowed until log_close. */
const char *log_path(const struct log *l);

/* The file that a writer touches after each commit, "<path>-wake", made by
   log_open and made again if it was removed (a copy of the log needs none);
   and the one that foreign writers change: "<path>-wal", or the database itself
   with LOG_ROLLBACK.  Borrowed until log_close. */
const char *log_wake_path(const struct log *l);
const char *log_change_path(const struct log *l);

#endif

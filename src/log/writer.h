/*
 * The writer: one thread of a process that owns all its writes.  It commits
 * everything that waits in one transaction (group commit), then touches the
 * wake file, waits for the disk (where LOG_FULL says so) and answers each
 * append.  Between commits it deletes, in small steps, what the retention
 * options let go, and a second thread checkpoints the WAL so that no publisher
 * waits for that.
 */
#ifndef COMETLOG_LOG_WRITER_H
#define COMETLOG_LOG_WRITER_H

#include "base/message.h"
#include "log/log.h"
#include "log/session.h"

struct log_writer;

/* What became of one message. */
struct appended {
	uint64_t seq;
	bool is_duplicate; /* its id was used before; seq
	                      is the first one's */
};

/*
 * A request to store n messages, all or none, in order, with adjacent seqs
 * (duplicates aside: they store nothing).  log_append borrows it, and
 * everything the messages borrow, until done is called.
 */
struct append {
	struct append *next;           /* the queue's */
	const struct message *message; /* channel checked; seq and time_ms are
	                                  ignored: the writer gives both */
	struct appended *result;       /* n of them, filled
	                                  before done(RC_OK) */
	size_t n;
	size_t bytes;      /* of data, names, ids: count
	                      against the queue */
	uint64_t since_ms; /* the writer's: when it was queued */
	uint32_t epoch;    /* the log's, and when
	                      they were stored: */
	int64_t time_ms;   /* filled before done(RC_OK) */
	/*
	 * Called once, on the writer's thread, after the commit is as durable
	 * as configured (RC_OK), or when it isn't: RC_LOG (disk full, I/O
	 * error), RC_BUSY (locked by another beyond busy_ms).  Then nothing of
	 * it is stored, unless it was the disk that failed at last, with
	 * LOG_FULL: readers have it then.
	 * why: borrowed for the call.  Must not block.
	 */
	void (*done)(struct append *a, enum rc rc, const char *why);
};

struct log_writer_options {
	uint32_t queue_messages; /* waiting and being stored, at most */
	size_t queue_bytes;
	uint32_t group_messages;  /* in one transaction, at most (one
	                             append of more is still one
	                             transaction) */
	uint32_t retain_every_ms; /* how often retention looks */
	/* Called on the writer's thread after each commit that stored messages
	   or changed what a session wants, before the appends are answered
	   (with LOG_FULL before the disk has them, if there are no changes) and
	   after the changes are; and with arg.  list: the appends, borrowed for
	   the call, with what done finds; NULL: changes only.  May be NULL. */
	void (*committed)(void *arg, const struct append *list);
	void *arg;
};

enum rc log_writer_start(struct log *l, const struct log_writer_options *o,
    struct log_writer **out, struct err *e) MUST_CHECK;

/*
 * Any thread, also from within done.  RC_BUSY: the queue is full, or the writer
 * is stopping.  RC_TOO_LARGE: a message has more than message_bytes of data, or
 * a is larger than the whole queue.  After a failure done isn't called.
 */
enum rc log_append(
    struct log_writer *w, struct append *a, struct err *e) MUST_CHECK;

/*
 * Changes a session: in the same transaction as what else waits, before its
 * messages; counts as one message in the queue.  Any thread, also from within
 * done.  RC_BUSY: the queue is full, or the writer is stopping; done isn't
 * called then.
 */
enum rc log_change(
    struct log_writer *w, struct log_change *c, struct err *e) MUST_CHECK;

/*
 * Of a process that ends before retention comes round: log_writer_stop then
 * does a little of it, if the process stored something.  That is a few steps,
 * first where messages went, then at some other channel, so that everything
 * gets its turn over many processes.
 */
void log_writer_retain_at_stop(struct log_writer *w);

/* Stores and answers what waits; from then on there is RC_BUSY for all, also
   for threads that are about to ask. */
void log_writer_finish(struct log_writer *w);

/* The same, ends both threads, frees w. */
void log_writer_stop(struct log_writer *w);

/* For status and metrics; any thread. */
struct log_writer_figures {
	uint64_t commits, messages, duplicates, failures; /* since the start */
	uint64_t retained; /* messages that this process has deleted */
	uint32_t queued;
};
void log_writer_figures(struct log_writer *w, struct log_writer_figures *f);

#endif

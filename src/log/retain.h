/*
 * Deleting what the options let go: old messages, publishers' ids beyond the
 * window, channels that have long been empty, and sessions that nobody uses.
 * In small steps, each its own transaction, so that a publisher never waits
 * long; several processes may do it at once.  Called by the writer; inside
 * log/ only.
 */
#ifndef COMETLOG_LOG_RETAIN_H
#define COMETLOG_LOG_RETAIN_H

#include "log/db.h"

/* A channel without messages is forgotten after so long. */
#define RETAIN_FORGET_MS (INT64_C(7) * 24 * 3600 * 1000)

/* What a pass looks at, in this order. */
enum retain_at {
	RETAIN_CHANNELS,
	RETAIN_IDS,
	RETAIN_SESSIONS,
};

/* Where a pass stands.  All zero: at its beginning. */
struct retain {
	enum retain_at at;
	int64_t channel_id; /* all up to here are done */
};

/*
 * One step of a pass over db: looks at a page of channels and deletes at most
 * about retain_step rows.  *is_over: the pass is complete, and r at
 * the beginning of the next.  *deleted: messages.  After a failure nothing of
 * the step is done and the pass begins anew.
 *
 * A channel's oldest messages go while they are older than age_ms, or more
 * than messages, or their data more than bytes; the newest one is
 * only ever let go by age.  kept_after then tells up to where.
 */
enum rc retain_step(struct retain *r, struct db *db,
    const struct log_options *o, int64_t now_ms, bool *is_over,
    uint64_t *deleted, struct err *e) MUST_CHECK;

/*
 * Puts r at a random channel, so that of many processes, none of which
 * completes a pass, one after the other comes by every channel.
 */
enum rc retain_anywhere(
    struct retain *r, struct db *db, struct err *e) MUST_CHECK;

#endif

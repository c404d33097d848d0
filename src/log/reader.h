/*
 * Reading the log.  A log_reader is one SQLite connection with its prepared
 * statements; it belongs to one thread at a time.  Every call is one read
 * transaction, so that the tip and the rows it reports belong together, and
 * notices by itself that the log's file was replaced (it then reopens it).
 */
#ifndef COMETLOG_LOG_READER_H
#define COMETLOG_LOG_READER_H

#include "base/channel.h"
#include "base/message.h"
#include "log/log.h"

struct log_reader;

enum rc log_reader_open(
    struct log *l, struct log_reader **out, struct err *e) MUST_CHECK;
void log_reader_close(struct log_reader *r);

struct log_tip {
	uint64_t seq; /* of the newest message ever stored; 0: none */
	uint32_t epoch;
};

/* About 4 us. */
enum rc log_tip(
    struct log_reader *r, struct log_tip *tip, struct err *e) MUST_CHECK;

/* What the wake file says is the newest, as the latest to commit wrote it: less
   than the log has for a moment, if several commit at once.  False: it says
   nothing.  About 2 us. */
bool log_told(struct log_reader *r, struct log_tip *tip);

/* What to read: the messages of these channels with seq > after. */
struct log_query {
	const struct pattern_set *what; /* NULL: every channel, "$" ones too */
	uint64_t after;
	uint32_t max_messages; /* stop after so many matching ones */
	size_t max_bytes;      /* stop once their data, events, ids and
	                          names reach this; at least one
	                          message is given */
	uint32_t max_scan;     /* stop after looking at so many rows;
	                          0: no bound */
};

struct log_page {
	struct log_tip tip;  /* the log's newest, in the same snapshot */
	uint64_t reached;    /* every matching message up to here was given;
	                        tip.seq when nothing more matches */
	uint64_t kept_after; /* highest seq deleted by retention from a
	                        channel that matches (0: nothing).  A cursor
	                        below it has a gap.  May be too low where it
	                        isn't above `after`, and too high for a
	                        channel that was without messages for a
	                        week */
	uint32_t n;          /* messages given */
	bool is_more;        /* reached is short of the tip: ask again */
};

/* Called for each message in order of seq; m is borrowed for the call.
   False ends the page there (m counts as given). */
typedef bool log_message_fn(void *arg, const struct message *m);

/*
 * Reads one page.  Cost: for one exact channel an index probe and one step per
 * row; nothing new there: about 5 us, no row touched.  Up to 64 channels with
 * something new (named, or found by wildcards among at most 1024) are merged
 * by their indexes; all else scans the log by seq, bounded by max_scan.
 * Messages with invalid UTF-8 (foreign writers) are given repaired; those in
 * channels without a valid name not at all.
 * RC_LOG, RC_BUSY (locked beyond busy_ms), RC_NOMEM: what was given so far is
 * right, *page isn't.
 */
enum rc log_read(struct log_reader *r, const struct log_query *q,
    log_message_fn *fn, void *arg, struct log_page *page,
    struct err *e) MUST_CHECK;

/* The cursor behind which exactly the newest n matching messages lie (or all,
   if there are fewer): *after.  n at most 1000, or RC_BAD.  O(channels that
   begin like a pattern with wildcards), else O(n). */
enum rc log_before_last(struct log_reader *r, const struct pattern_set *what,
    uint32_t n, uint64_t *after, struct log_tip *tip, struct err *e) MUST_CHECK;

struct log_channel {
	struct slice name;                /* borrowed for the call */
	uint64_t newest, messages, bytes; /* of what is kept */
	uint64_t kept_after;
};
typedef bool log_channel_fn(void *arg, const struct log_channel *c);

/* Channels by name, those behind `after` (p == NULL: from the first), at most
   max of them; false from fn ends it. */
enum rc log_channels(struct log_reader *r, struct slice after, uint32_t max,
    log_channel_fn *fn, void *arg, struct err *e) MUST_CHECK;

/* Sums for status and metrics.  O(channels + sessions). */
struct log_figures {
	struct log_tip tip;
	uint64_t channels, messages, bytes; /* kept */
	uint64_t sessions;                  /* Bayeux's, see
	                                       log/session.h */
	uint64_t file_bytes, wal_bytes;     /* on disk */
	int64_t created_ms;                 /* Unix time of the
	                                       log's creation */
};
enum rc log_figures(
    struct log_reader *r, struct log_figures *f, struct err *e) MUST_CHECK;

#endif

/* What the files behind log/reader.h share.  Inside log/ only. */
#ifndef COMETLOG_LOG_READ_H
#define COMETLOG_LOG_READ_H

#include "base/buf.h"
#include "log/names.h"
#include "log/reader.h"

struct log_reader {
	struct log *log;
	struct db db;
	uint32_t epoch; /* that names is of */
	struct names names;
	struct buf repaired; /* see row_message */
	int wake_fd;         /* -1: not open; see log_told */
};

/* What the log says of itself, and of one channel if that was asked for. */
struct read_head {
	struct log_tip tip;
	uint64_t forgotten_after;
	int64_t channel_id;          /* 0: there is no such channel */
	uint64_t newest, kept_after; /* of that channel */
};

/*
 * Begins a read transaction, on a new connection if the file was replaced or
 * restored in place:
 * the head's statement stays on its row, and until read_end every statement
 * sees the same snapshot.  channel: of which to tell; p == NULL: none.
 * After a failure nothing is open.
 */
enum rc read_begin(struct log_reader *r, struct slice channel,
    struct read_head *head, struct err *e) MUST_CHECK;
void read_end(struct log_reader *r);

/* The failure under way; also ends the transaction. */
enum rc read_fail(struct log_reader *r, struct err *e);

/*
 * Each channel that what covers, once, as its row (columns CHANNEL_...) and
 * valid name.  False from fn ends it.  Patterns without wildcards are looked
 * up, for the others a range is read: O(channels that begin like the pattern).
 */
typedef bool read_channel_fn(void *arg, sqlite3_stmt *row, struct slice name);
enum rc read_channels(struct log_reader *r, const struct pattern_set *what,
    read_channel_fn *fn, void *arg, struct err *e) MUST_CHECK;

/* True if what is one channel's name. */
static inline bool
read_is_exact(const struct pattern_set *what)
{
	return what != NULL && what->n == 1 && pattern_is_exact(what->item[0]);
}

#endif

/*
 * A reader's memory of channel names by id, and of which channels the query
 * under way covers.  Ids are never given to another channel, so what is
 * remembered stays true as long as the file is the same.  Inside log/ only.
 */
#ifndef COMETLOG_LOG_NAMES_H
#define COMETLOG_LOG_NAMES_H

#include "base/channel.h"
#include "log/db.h"

#define NAMES_SLOTS 256 /* a power of two */

struct name_slot {
	int64_t id;     /* 0: empty */
	uint64_t query; /* for which is_covered was found out */
	bool is_covered;
	uint8_t n; /* 0: no valid name, or no such channel */
	char text[CHANNEL_MAX_BYTES];
};

struct names {
	struct name_slot slot[NAMES_SLOTS]; /* by the low bits of the id */
	const struct pattern_set *what;     /* of the query; NULL: all */
	uint64_t query;                     /* counts them */
};

/* Another file: forgets all. */
void names_clear(struct names *n);

/* From now on names_find tells whether what (borrowed) covers a channel. */
void names_begin_query(struct names *n, const struct pattern_set *what);

/*
 * *name: of the channel if it has a valid one that the query covers, else
 * p == NULL; borrowed until the next call.  A statement when the
 * name isn't remembered.
 */
enum rc names_find(struct names *n, struct db *db, int64_t id,
    struct slice *name, struct err *e) MUST_CHECK;

/* The name in a row of channels: p == NULL if it is not a valid one.  Borrowed
   until the statement moves. */
struct slice names_of_row(sqlite3_stmt *st);

#endif

/*
 * The writer's memory of channel ids by name, and of what the transaction
 * under way has added to each channel.  A program that deletes channels makes
 * it wrong; the writer notices that when it updates the channel's row.
 * Inside log/ only.
 */
#ifndef COMETLOG_LOG_CHANMAP_H
#define COMETLOG_LOG_CHANMAP_H

#include "base/slice.h"

#include <stdint.h>

struct chanmap_entry {
	struct chanmap_entry *next; /* of the same hash */
	struct chanmap_entry *next_touched;
	int64_t id;
	uint64_t hash;
	uint64_t messages, bytes, newest; /* of this transaction */
	size_t n;
	char name[];
};

#define CHANMAP_BUCKETS 4096 /* a power of two */

struct chanmap {
	struct chanmap_entry *bucket[CHANMAP_BUCKETS];
	struct chanmap_entry *touched; /* has messages */
	size_t n;
};

/* NULL: not remembered. */
struct chanmap_entry *chanmap_find(const struct chanmap *m, struct slice name);

/* Remembers a name that is not there yet.  NULL: no memory. */
struct chanmap_entry *chanmap_add(
    struct chanmap *m, struct slice name, int64_t id);

/* Counts one message of the transaction. */
void chanmap_touch(
    struct chanmap *m, struct chanmap_entry *c, uint64_t seq, uint64_t bytes);

/* The id of one of them, by a random number.  0: none is remembered. */
int64_t chanmap_any(const struct chanmap *m, uint64_t random);

/* The transaction is over.  Forgets all names if they became too many. */
void chanmap_settle(struct chanmap *m);

/* Forgets all. */
void chanmap_clear(struct chanmap *m);

#endif

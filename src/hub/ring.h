/*
 * The newest messages of the log, in memory: an unbroken run of seqs, bounded
 * in bytes, each encoded at most once per form, framed for FastCGI (not so the
 * WebSocket forms).  Belongs to the loop thread.
 */
#ifndef COMETLOG_HUB_RING_H
#define COMETLOG_HUB_RING_H

#include "base/message.h"
#include "wire/encode.h"

struct entry {
	struct message m;           /* points behind the entry */
	struct slice shared[FORMS]; /* p == NULL: not encoded yet */
};

struct ring {
	struct entry **at;   /* cap is a power of two */
	size_t cap, head, n; /* at[head] is the oldest */
	size_t bytes, limit_bytes;
};

void ring_init(struct ring *r, size_t limit_bytes);
void ring_clear(struct ring *r);
void ring_fini(struct ring *r);

/* Copies m to the end; m->seq must be one above the newest.  RC_NOMEM. */
enum rc ring_add(
    struct ring *r, const struct message *m, struct entry **out) MUST_CHECK;

/* Lets go of the oldest until the bound holds. */
void ring_trim(struct ring *r);

/* The entry of that seq, or NULL; the i-th from the oldest. */
struct entry *ring_find(struct ring *r, uint64_t seq);

/* The oldest seq held, or 0 when empty. */
uint64_t ring_oldest(const struct ring *r);

/* The entry's bytes in a form, framed with OUTLET_SHARED_ID; made at the first
   call.  Of how only what all readers of the form share may matter.
   RC_NOMEM. */
enum rc ring_encode(struct ring *r, struct entry *en, const struct encode *how,
    struct slice *out) MUST_CHECK;

#endif

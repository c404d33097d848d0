/*
 * What a reader wants: patterns, each from some seq on.  When a subscription
 * asks for the past, the cursor goes back for its sake; what the others got
 * meanwhile is remembered as one span for each, so that nothing comes twice.
 *
 *      seq ----begin=======from----------------->
 *              delivered    still wanted
 *
 * Only hub/ sees this.
 */
#ifndef COMETLOG_HUB_INTEREST_H
#define COMETLOG_HUB_INTEREST_H

#include "base/channel.h"
#include "base/message.h"

/* Delivered: all in (begin, from]; wanted: what comes behind from. */
struct span {
	uint64_t begin, from;
};

struct interest {
	struct pattern_set what;
	struct span *span; /* one for each; NULL: {base, base} for all */
	uint64_t base;
	uint64_t mixed_until; /* the highest from: beyond
	                         it patterns decide */
};

void interest_fini(struct interest *in);
enum rc interest_copy(
    struct interest *to, const struct interest *from, struct err *e) MUST_CHECK;

/* Is a message covered, and not delivered before? */
bool interest_wants(const struct interest *in, const struct message *m);

/*
 * *to: in with pattern wanted from `after` on (added, or begun anew), and all
 * others delivered up to `position`, the reader's cursor.  position: UINT64_MAX
 * leaves the others as they are.  RC_BAD, RC_NOMEM: *to is empty.
 */
enum rc interest_with(struct interest *to, const struct interest *in,
    struct slice pattern, uint64_t after, uint64_t position,
    struct err *e) MUST_CHECK;

/* *to: in without pattern. */
enum rc interest_without(struct interest *to, const struct interest *in,
    struct slice pattern, struct err *e) MUST_CHECK;

/* Another log: nothing was delivered of it yet. */
void interest_start_over(struct interest *in);

/* The index of pattern, or in->what.n. */
size_t interest_find(const struct interest *in, struct slice pattern);

/* The seq behind which pattern is wanted; 0 if it isn't. */
uint64_t interest_from(const struct interest *in, struct slice pattern);

/* The lowest seq behind which anything is wanted: where a cursor may begin. */
uint64_t interest_floor(const struct interest *in);

/* For reading on from `after`: the patterns wanted there (copied), and the seq
   up to which that holds (UINT64_MAX: for good). */
enum rc interest_active(const struct interest *in, uint64_t after,
    struct pattern_set *active, uint64_t *until, struct err *e) MUST_CHECK;

#endif

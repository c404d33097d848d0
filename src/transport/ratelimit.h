/*
 * How fast one client address may publish: a token bucket each, in a bounded
 * table where the longest idle makes room.  Any thread.
 */
#ifndef COMETLOG_TRANSPORT_RATELIMIT_H
#define COMETLOG_TRANSPORT_RATELIMIT_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct ratelimit;

/* per_s messages a second, up to burst at once; per_s 0: no limit. */
enum rc ratelimit_new(struct ratelimit **out, uint32_t per_s, uint32_t burst,
    uint32_t clients, struct err *e) MUST_CHECK;

/* Takes n messages' worth for a client; false when it must wait.  More than a
   burst at once passes when the bucket is full, and empties it. */
bool ratelimit_take(struct ratelimit *l, struct slice client, size_t n);

void ratelimit_free(struct ratelimit *l);

#endif

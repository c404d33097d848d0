/*
 * Wakes the loop from any thread, like a uv_async_t.  With that one the loop
 * spins until the sender has left uv_async_send; where both share a core the
 * sender often is preempted in it, by the very loop it woke: 45 us, measured.
 */
#ifndef COMETLOG_HUB_BELL_H
#define COMETLOG_HUB_BELL_H

#include "base/err.h"

#include <uv.h>

struct bell {
	uv_poll_t poll;
	int fd; /* an eventfd */
	void (*rung)(void *arg);
	void (*closed)(void *arg);
	void *arg;
};

/* rung: called on the loop, once for all rings since the last call.  RC_LOG: no
   descriptor. */
enum rc bell_init(struct bell *b, uv_loop_t *loop, void (*rung)(void *arg),
    void *arg, struct err *e) MUST_CHECK;

/* Any thread, until bell_close. */
void bell_ring(struct bell *b);

/* closed (may be NULL): called with arg once b may be freed. */
void bell_close(struct bell *b, void (*closed)(void *arg));

#endif

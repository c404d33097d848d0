/*
 * A timer wheel for many coarse deadlines: O(1) to set, move and cancel, one
 * list a tick.  Deadlines further than a turn wait in their slot for the right
 * turn.  Belongs to the loop thread; the caller's clock.
 */
#ifndef COMETLOG_HUB_WHEEL_H
#define COMETLOG_HUB_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_MS 100
#define WHEEL_SLOTS 512

struct timer {
	struct timer *next, **link; /* link == NULL: not set */
	uint64_t due_ms;
};

struct wheel {
	struct timer *slot[WHEEL_SLOTS];
	uint64_t tick; /* the next one to run */
};

void wheel_init(struct wheel *w, uint64_t now_ms);

/* Sets t, which may be set already, to run at the first tick after due_ms. */
void wheel_set(struct wheel *w, struct timer *t, uint64_t due_ms);
void wheel_cancel(struct timer *t);

/* Runs fn for each timer due by now; fn may set, cancel and free timers. */
void wheel_run(struct wheel *w, uint64_t now_ms,
    void (*fn)(void *arg, struct timer *t), void *arg);

#endif

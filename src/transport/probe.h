/*
 * Answers that go by a plan instead of by the log: some bytes at once, then a
 * line at each step, or silence until the last one.  What the doctor measures a
 * place with.  Each takes a place of the budget for held answers, and there are
 * at most doctor-probes of them.
 */
#ifndef COMETLOG_TRANSPORT_PROBE_H
#define COMETLOG_TRANSPORT_PROBE_H

#include "transport/server.h"

struct probe_plan {
	uint32_t opening_bytes; /* a comment line of filler,
	                           sent with the head */
	uint32_t steps;         /* at least 1; the last one ends the answer */
	uint32_t every_ms;
	bool is_silent; /* nothing leaves before the last step */
};

/* Any thread.  client: its address.  RC_BUSY: no place; the text says
   which bound it was. */
enum rc probe_claim(struct server *s, struct slice client, uint32_t *place,
    struct err *e) MUST_CHECK;

/*
 * Any thread, after probe_claim, whose place is taken: answers with head
 * (status and header lines) and then by the plan.  A step's line is an event of
 * text/event-stream whose data are the seconds since the beginning, "data:
 * 1.5".  Takes o.
 */
void probe_hold(struct server *s, struct outlet o, uint32_t place,
    struct slice head, const struct probe_plan *plan);

/* Loop thread.  Ends all of them cleanly, and those that come later at once. */
void probe_end_all(struct server *s);

/* Any thread: how many there are. */
uint32_t probe_count(struct server *s);

#endif

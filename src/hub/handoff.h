/*
 * What the writer of this process has just stored, handed to the loop, so that
 * the hub needn't read it from the log.  A hint like every wake-up: what gets
 * lost here is read there.
 */
#ifndef COMETLOG_HUB_HANDOFF_H
#define COMETLOG_HUB_HANDOFF_H

#include "base/message.h"
#include "log/writer.h"

#include <uv.h>

struct handoff;

/* One message; m points behind it. */
struct handed {
	struct handed *next;
	uint32_t epoch;
	struct message m;
};

/* ready: called on the loop, soon after a put.  At most limit_bytes wait,
   messages and what they need.  RC_LOG: no descriptor; RC_NOMEM. */
enum rc handoff_new(struct handoff **out, uv_loop_t *loop, size_t limit_bytes,
    void (*ready)(void *arg), void *arg, struct err *e) MUST_CHECK;

/* Any thread: copies what the list stored, in order.  Also wakes the loop if
   that is nothing. */
void handoff_put(struct handoff *h, const struct append *list);

/* What waits, in the order it was put; the caller's to drop.  *is_whole: false
   if something was left out since the last call.  On the loop. */
struct handed *handoff_take(struct handoff *h, bool *is_whole);
void handoff_drop(struct handed *list);

/* No more puts.  Frees h once the loop has run the closing.  NULL is fine. */
void handoff_free(struct handoff *h);

#endif

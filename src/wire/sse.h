/*
 * Server-Sent Events (HTML Living Standard, 9.2) as bytes: the fields and lines
 * of one event.  Called by wire/encode.c.  Pure; never frames for HTTP.
 */
#ifndef COMETLOG_WIRE_SSE_H
#define COMETLOG_WIRE_SSE_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

/*
 * Begins an event: "id: SEQ.EPOCH\n" and, unless event is empty, "event: E\n".
 * Makes room for the data_bytes of data that are to follow.  A CR or LF in
 * event, which the log refuses, becomes a space, so that it can't forge a
 * field.
 */
void sse_add_head(struct buf *b, uint64_t seq, uint32_t epoch,
    struct slice event, size_t data_bytes);

/*
 * Ends an event with a "data: " line for each line of data and the blank line
 * that dispatches it.  CRLF, LF and a lone CR end a line alike (9.2.6), so the
 * reader gets data back with each of them as LF.  Empty data is one empty line:
 * its event is dispatched.  O(bytes), whatever the line ends.
 */
void sse_add_data(struct buf *b, struct slice data);

/* "retry: MS\n\n": when to reconnect; dispatches nothing. */
void sse_add_retry(struct buf *b, uint32_t ms);

#endif

/*
 * The outbox sends finished answers that the kernel did not take at once, so
 * that neither an acceptor nor the writer waits for a slow web server.
 * Bounded by answer-bytes an answer and write-wait.  Belongs to the loop.
 */
#ifndef COMETLOG_HUB_OUTBOX_H
#define COMETLOG_HUB_OUTBOX_H

#include "hub/outlet.h"

#include <uv.h>

struct outbox;

/* idle: takes an outlet whose answer is out and whose server wants it back
   (is_keep); all others are closed here. */
enum rc outbox_new(struct outbox **out, uv_loop_t *loop, uint64_t wait_ms,
    void (*idle)(void *arg, struct outlet o), void *arg,
    struct err *e) MUST_CHECK;

/* Loop thread.  Sends bytes[from..] and is then done with the outlet.  Takes
   both (bytes is freed with free), also on failure, when the outlet is
   closed. */
void outbox_send(
    struct outbox *b, struct outlet o, char *bytes, size_t n, size_t from);

/* Loop thread.  Sends last (copied), says that no more comes, and waits for the
   peer to end the connection, at most wait_ms: closed earlier, the kernel could
   take back what the peer hasn't read.  Of more than 1024 at a time the rest is
   closed at once.  Takes o, a socket. */
void outbox_linger(
    struct outbox *b, struct outlet o, struct slice last, uint64_t wait_ms);

/* Loop thread.  The outlet's answer is out: gives it back to its server, or
   closes it. */
void outbox_done(struct outbox *b, struct outlet o);

/* How many are under way. */
size_t outbox_count(const struct outbox *b);

/* Closes what is left; frees b once the loop has run the closings. */
void outbox_free(struct outbox *b);

#endif

/*
 * The publishes of one connection on their way to the log: those that one read
 * brings are stored by one append, and answered together.
 */
#ifndef COMETLOG_TRANSPORT_WSPUBLISH_H
#define COMETLOG_TRANSPORT_WSPUBLISH_H

#include "transport/ws.h"
#include "wire/wsop.h"

/* Adds op (its bytes are copied) to c's batch.  RC_NOMEM,
   RC_RATE: not added. */
enum rc wspublish_add(
    struct ws_connection *c, const struct wsop *op, struct err *e) MUST_CHECK;

/* Hands c's batch to the writer; answers come through hub_say. */
void wspublish_flush(struct ws_connection *c);

/* Drops a batch that wasn't handed over. */
void wspublish_drop(struct ws_connection *c);

#endif

/*
 * What clients ask for on a WebSocket (API.md, WebSocket): each operation is
 * done on the hub or the log and answered.  One at a time: while c->lookup is
 * set, a subscription's beginning is looked up on the thread pool.
 */
#ifndef COMETLOG_TRANSPORT_WSOPS_H
#define COMETLOG_TRANSPORT_WSOPS_H

#include "transport/ws.h"

/* Does what a text (changed in place) asks for, or says what is wrong with it.
   Only on a message border, with no lookup under way.  c's reader may be gone
   afterwards. */
void wsops_run(struct ws_connection *c, char *text, size_t n);

/* Subscribes at what was looked up, if that is done.  Only on a border. */
void wsops_finish(struct ws_connection *c);

/* Of a connection that nothing is looked up for any more. */
void wsops_free(struct ws_connection *c);

#endif

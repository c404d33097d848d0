/* Bayeux on a WebSocket: each frame is a text of messages, and what it comes to
   is one.  All of it on the loop. */
#ifndef COMETLOG_TRANSPORT_BAYEUX_WS_H
#define COMETLOG_TRANSPORT_BAYEUX_WS_H

#include "transport/ws.h"

/* Does what one frame's payload says; n bytes, borrowed. */
void bayeux_ws_run(struct ws_connection *c, const char *text, size_t n);

/* The connection is no more: nor is the connect that is held on it. */
void bayeux_ws_leave(struct ws_connection *c);

/* The hub_client's, of a connection. */
void bayeux_ws_news(void *connection);
void bayeux_ws_over(void *connection);

#endif

/*
 * The WebSocket daemon's listening socket: accepts connections, whose opening
 * handshakes wsopening sees to.  On the loop; the bound is max-arriving.
 */
#ifndef COMETLOG_TRANSPORT_WSACCEPT_H
#define COMETLOG_TRANSPORT_WSACCEPT_H

#include "transport/ws.h"

struct wsaccept;

/* Accepts on fd, a listening socket (borrowed; made non-blocking). */
enum rc wsaccept_new(
    struct wsaccept **out, struct ws *w, int fd, struct err *e) MUST_CHECK;

/* Accepts no more; handshakes of which something came get 503, the others are
   closed; those whose beginning is being looked up go on. */
void wsaccept_stop(struct wsaccept *a);

/* How many handshakes are under way. */
size_t wsaccept_count(const struct wsaccept *a);

/* After wsaccept_stop, once the loop has run the closings and
   none is under way. */
void wsaccept_free(struct wsaccept *a);

#endif

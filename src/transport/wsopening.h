/*
 * Opening handshakes (RFC 6455, section 4) under way: reads the request, checks
 * path, Origin, parameters and the number of connections, finds out where
 * subscriptions of the URL begin, and hands over to ws.  Whoever can't have a
 * connection is told why.  On the loop; the bounds are head-bytes and
 * request-wait, and that on their number is the caller's.
 */
#ifndef COMETLOG_TRANSPORT_WSOPENING_H
#define COMETLOG_TRANSPORT_WSOPENING_H

#include "transport/ws.h"

struct opening;

struct openings {
	struct ws *ws;
	struct opening *list;
	size_t count;
	void (*fewer)(struct openings *all); /* called after one has ended */
};

/* A connection was accepted.  Takes fd, which doesn't block. */
void openings_add(struct openings *all, int fd);

/* Ends those whose request has not come whole in time. */
void openings_sweep(struct openings *all);

/* Ends those whose request has not come whole: 503 where some of it has.  Whose
   beginning is being looked up go on. */
void openings_stop(struct openings *all);

#endif

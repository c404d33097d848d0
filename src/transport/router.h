/*
 * From a request to its technique: one table of paths.  Called by acceptors,
 * by the thread pool for late arrivals, and by main for CGI.
 */
#ifndef COMETLOG_TRANSPORT_ROUTER_H
#define COMETLOG_TRANSPORT_ROUTER_H

#include "transport/request.h"
#include "transport/responder.h"
#include "transport/server.h"

/* Serves a whole request that came through the gate (its memory stays the
   caller's).  Takes fd. */
void router_serve_fcgi(
    struct server *s, struct responder *r, int fd, struct fcgi_gate *g);

/* Serves any request.  rc and e are of its making: not RC_OK is answered with
   that.  Takes rq. */
void router_serve(
    struct server *s, struct request *rq, enum rc rc, const struct err *e);

#endif

/*
 * Acceptors: threads that take connections from the web server.  A request that
 * comes whole at once (nearly all do) is parsed and served right there; one
 * that doesn't goes to transport/arrivals.h, so that no client can keep an
 * acceptor waiting for longer than a few milliseconds.
 */
#ifndef COMETLOG_TRANSPORT_ACCEPTOR_H
#define COMETLOG_TRANSPORT_ACCEPTOR_H

#include "transport/server.h"

struct acceptors;

/* Starts n threads that accept on fd (borrowed).  They are stopped with a
   signal, signo, which must do nothing in this process. */
enum rc acceptors_start(struct acceptors **out, struct server *s, int fd,
    unsigned n, int signo, struct err *e) MUST_CHECK;

/* Ends the threads, each after the request it is serving, and frees a. */
void acceptors_stop(struct acceptors *a);

#endif

/*
 * Requests whose bytes are still coming: slow ones that an acceptor did not get
 * whole at once, and kept connections that wait for their next.  They cost the
 * loop an event each and no thread; bounded in number, bytes and time.
 * Belongs to the loop thread.
 */
#ifndef COMETLOG_TRANSPORT_ARRIVALS_H
#define COMETLOG_TRANSPORT_ARRIVALS_H

#include "transport/server.h"
#include "wire/fcgi.h"

struct arrivals;

enum rc arrivals_new(
    struct arrivals **out, struct server *s, struct err *e) MUST_CHECK;

/* Goes on with a request of which some may have come.  Takes fd and the
   gate's memory. */
void arrivals_add(struct arrivals *a, int fd, const struct fcgi_gate *gate);

/* Any thread: the same through server_post. */
void arrivals_post(struct server *s, int fd, const struct fcgi_gate *gate);

/* A kept connection without a request; closed if the server
   is_ending.  Takes the outlet. */
void arrivals_idle(struct arrivals *a, struct outlet o);

/* True if no request is on its way in.  On the loop. */
bool arrivals_are_idle(const struct arrivals *a);

/* Closes connections that wait for a request of which nothing has come yet;
   is_now: all whose request hasn't come whole.  a may be NULL. */
void arrivals_end(struct arrivals *a, bool is_now);

/* Closes what hasn't come whole; frees a once the loop has run the closings. */
void arrivals_free(struct arrivals *a);

#endif

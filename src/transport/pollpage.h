/* The poll answer, shared by short and long polling. */
#ifndef COMETLOG_TRANSPORT_POLLPAGE_H
#define COMETLOG_TRANSPORT_POLLPAGE_H

#include "transport/reading.h"

/* A reading_page's encode: the message object. */
void pollpage_encode(struct reading_page *p, const struct message *m);

/* Sends the page as a poll answer, JSONP with a callback.  Takes rq. */
void pollpage_answer(struct server *s, struct request *rq,
    const struct reading *rd, struct reading_page *p, const char *extra,
    bool is_degraded);

/* Content-Type of a poll answer for rd. */
const char *pollpage_type(const struct reading *rd);

#endif

/*
 * Finished answers: composed whole, framed, and sent by whichever thread made
 * them; what the kernel doesn't take at once leaves through the loop.
 */
#ifndef COMETLOG_TRANSPORT_ANSWER_H
#define COMETLOG_TRANSPORT_ANSWER_H

#include "transport/request.h"
#include "transport/server.h"

/*
 * Sends status, header lines and body, then ends the request: takes rq.
 * extra: whole lines ("Name: value\r\n"), or "".  HEAD gets no body.
 */
void answer_send(struct server *s, struct request *rq, int status,
    const char *content_type, const char *extra, struct slice body);

/* An application/problem+json for rc, with Retry-After for 429
   and 503.  Takes rq. */
void answer_problem(
    struct server *s, struct request *rq, enum rc rc, const char *detail);

/* The same for a status that no rc has (405 with Allow,
   431); extra as above. */
void answer_status(struct server *s, struct request *rq, int status,
    const char *extra, const char *detail);

/* Any thread: the same where the request is gone already, as it was to be held
   and couldn't be; without CORS, so another origin's page sees a failure.
   Takes o. */
void answer_unheld(struct server *s, struct outlet o, const struct err *e);

/* Sends these bytes (head and body as CGI has them), framed, and ends the
   answer.  Takes o. */
void answer_bytes(struct server *s, struct outlet o, struct slice content);

/* Appends what an allowed other origin must see (CORS), if rq is its. */
void answer_add_cors(struct buf *b, const struct request *rq);

#endif

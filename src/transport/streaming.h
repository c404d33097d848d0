/* Endless answers: what Server-Sent Events, NDJSON and
   script streaming share. */
#ifndef COMETLOG_TRANSPORT_STREAMING_H
#define COMETLOG_TRANSPORT_STREAMING_H

#include "transport/reading.h"

/* Holds rq as a stream in this form, or, when no place is left, delivers what
   there is and ends.  Takes rq and rd. */
void streaming_serve(
    struct server *s, struct request *rq, struct reading *rd, enum form form);

#endif

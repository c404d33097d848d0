/* The techniques: one file each, one function each, all in router.c's table.
   Each takes rq, on any thread but the loop's. */
#ifndef COMETLOG_TRANSPORT_TECHNIQUE_H
#define COMETLOG_TRANSPORT_TECHNIQUE_H

#include "transport/request.h"
#include "transport/server.h"

typedef void technique_fn(
    struct server *s, struct request *rq, struct slice rest);

technique_fn publish_serve; /* rest: the channel, "" if none */
technique_fn shortpoll_serve;
technique_fn longpoll_serve;
technique_fn sse_serve;
technique_fn stream_serve;
technique_fn bayeux_serve; /* rest: whatever clients append */
technique_fn status_serve;
technique_fn metrics_serve;
technique_fn channels_serve;
technique_fn doctor_serve; /* rest: "", "ping", "stream" or "hold" */

#endif

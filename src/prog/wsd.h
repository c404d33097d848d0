/* One process of the WebSocket daemon. */
#ifndef COMETLOG_PROG_WSD_H
#define COMETLOG_PROG_WSD_H

#include "base/options.h"

/* Serves WebSockets on fd until a signal ends it, closing its connections with
   1001 over ws-stop-spread (SIGHUP: diag_reopen).  The exit status. */
int wsd_run(const struct options *o, int fd);

#endif

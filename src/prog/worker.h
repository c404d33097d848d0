/* One process that serves: builds the parts, runs the loop, takes them down. */
#ifndef COMETLOG_PROG_WORKER_H
#define COMETLOG_PROG_WORKER_H

#include "base/options.h"

/* Serves FastCGI on fd until a signal ends it (SIGTERM, SIGINT, SIGUSR1: clean;
   SIGHUP: diag_reopen).  The exit status. */
int worker_run(const struct options *o, int fd);

/* Serves the one CGI request of the environment and standard input. */
int worker_run_cgi(const struct options *o);

#endif

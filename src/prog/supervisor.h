/*
 * Several worker processes on one listening socket.  The supervisor does no
 * work of its own: it starts workers, starts dead ones again, and passes
 * signals on.  Called by main() while the process has one thread.
 *
 *   SIGTERM, SIGINT  SIGTERM to the workers; SIGKILL to those that are still
 *                    there after stop_wait_ms; then supervise returns
 *   SIGUSR1          passed on: workers finish and exit, and are started anew
 *   SIGHUP           diag_reopen, and passed on
 */
#ifndef COMETLOG_PROG_SUPERVISOR_H
#define COMETLOG_PROG_SUPERVISOR_H

#include "base/err.h"

#include <stdint.h>

struct supervisor {
	unsigned workers;    /* 1..SUPERVISOR_MAX */
	const char *run_dir; /* for worker-1.pid ..., or NULL */
	uint32_t stop_wait_ms;
	/* A worker's main: its result is the exit status.  Runs in the child,
	   with default signal handling and no signal blocked; SIGTERM comes
	   when the supervisor dies.  number: 1..workers. */
	int (*worker)(void *arg, unsigned number);
	void *arg;
};

#define SUPERVISOR_MAX 64

/*
 * Returns RC_OK after a stop that a signal asked for, with no worker left.  Its
 * signals stay blocked, so that a second one can't cut the cleaning up short.
 * RC_CONFIG: run_dir can't be used; no worker was started.
 * A worker that dies is started again at once; one that died within a second
 * of its start more than three times in a row, after a pause of up to 2 s.
 */
enum rc supervise(const struct supervisor *s, struct err *e) MUST_CHECK;

#endif

/*
 * What the main() of a serving program does: options, reports, the socket,
 * one process or several under a supervisor.
 */
#ifndef COMETLOG_PROG_PROGRAM_H
#define COMETLOG_PROG_PROGRAM_H

#include "base/options.h"

struct program {
	const char *name;
	/* Serves on fd, a listening socket, until a signal; the exit status. */
	int (*serve)(const struct options *o, int fd);
	/* There is no socket, neither by --socket nor as descriptor 0: serves
	   otherwise and returns RC_OK, or says RC_CONFIG. */
	enum rc (*serve_without)(
	    const struct options *o, int *status, struct err *e);
	/* The settings are wrong, as e says, which has been reported: tells
	   whoever asks, where it was started for such.  May be NULL. */
	void (*refuse)(const struct err *e);
	uint32_t stop_wait_ms; /* for workers, until they are
	                          killed; beyond busy-wait */
};

/* The exit status of main. */
int program_main(const struct program *p, int argc, char **argv);

#endif

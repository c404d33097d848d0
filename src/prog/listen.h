/*
 * The socket that web servers connect to: opened here, or handed over by the
 * web server as descriptor 0 (FastCGI specification, section 2.2).  Called by
 * main() before other threads exist (the umask is the process's).
 */
#ifndef COMETLOG_PROG_LISTEN_H
#define COMETLOG_PROG_LISTEN_H

#include "base/address.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct listener {
	int fd; /* blocking, close-on-exec */
	struct address address;
	dev_t dev; /* of a Unix socket's file: is it still ours? */
	ino_t ino;
};

/*
 * Listens on text (base/address.h).  A Unix socket's file has the mode from its
 * first moment; one left behind by a dead server is replaced, one that
 * somebody listens on, or any other kind of file, never.
 * RC_CONFIG, with what is wrong: in use, not a socket, no such folder, ...
 */
enum rc listen_open(struct listener *l, const char *text, uint32_t mode,
    struct err *e) MUST_CHECK;

/* Closes it; removes a Unix socket's file if it is still the one made. */
void listen_close(struct listener *l);

/* True if fd is a socket that listens. */
bool listen_is_listening(int fd);

#endif

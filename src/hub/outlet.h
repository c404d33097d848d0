/*
 * An outlet is where an answer goes: a non-blocking descriptor to the web
 * server, and how bytes are framed on it (FastCGI records; nothing under plain
 * CGI and on a WebSocket).  A plain value; whoever holds
 * it owns the descriptor.
 */
#ifndef COMETLOG_HUB_OUTLET_H
#define COMETLOG_HUB_OUTLET_H

#include "base/buf.h"

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct outlet {
	int fd;
	uint16_t id; /* FastCGI request id */
	bool is_fcgi;
	bool is_keep;    /* the server wants the
	                    connection back afterwards */
	bool is_socket;  /* else a pipe or file */
	bool is_one_way; /* plain CGI's standard output: nothing comes
	                    from there, nor is an end of input the peer's
	                    leaving */
};

/* The framing that bytes shared by all FastCGI readers are made with. */
#define OUTLET_SHARED_ID 1

/* Appends content, framed for o; and what ends an answer on it. */
void outlet_add(const struct outlet *o, struct buf *b, struct slice content);
void outlet_add_end(const struct outlet *o, struct buf *b);

/* Sends what the kernel takes at once: its bytes, 0 when it takes none now,
   -1 when the peer is gone.  Never blocks, never raises SIGPIPE in a program
   that ignores it. */
ssize_t outlet_send(const struct outlet *o, const struct iovec *iov, int n);

/* Closes the descriptor. */
void outlet_close(struct outlet *o);

#endif

/*
 * Socket addresses as people write them: the path of a Unix socket, or a
 * numeric address with a port ("127.0.0.1:9000", "[::1]:9000").  What holds a
 * '/' or no ':' is a path.  No names, so no resolver.  Pure.
 */
#ifndef COMETLOG_BASE_ADDRESS_H
#define COMETLOG_BASE_ADDRESS_H

#include "base/err.h"
#include "base/slice.h"

#include <sys/socket.h>

struct address {
	struct sockaddr_storage sa;
	socklen_t n; /* bytes of sa in use */
};

/* RC_CONFIG with a text that says what would be right: a path too long for a
   socket, an address that isn't numeric, a port outside 1..65535. */
enum rc address_parse(
    struct slice text, struct address *a, struct err *e) MUST_CHECK;

/* True for a Unix socket: its path is sun_path of a->sa. */
bool address_is_path(const struct address *a);

#endif

/* Plain CGI (RFC 3875): one request in the environment and
   on standard input. */
#ifndef COMETLOG_PROG_CGI_H
#define COMETLOG_PROG_CGI_H

#include "transport/server.h"

/* Reads the request, waiting for its body as long as the web server does, and
   serves it with standard output as outlet. */
void cgi_serve(struct server *s);

#endif

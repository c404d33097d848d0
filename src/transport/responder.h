/*
 * The libfcgi adapter, the one file that knows libfcgi.
 *
 * libfcgi reads a blocking descriptor and aborts the process on some malformed
 * records.  So the program reads the web server's socket itself, through the
 * gate (wire/fcgi.h); what passed is replayed to libfcgi over a pipe, which
 * holds all of it at once: libfcgi neither waits nor sees anything malformed.
 */
#ifndef COMETLOG_TRANSPORT_RESPONDER_H
#define COMETLOG_TRANSPORT_RESPONDER_H

#include "base/err.h"
#include "transport/request.h"
#include "wire/fcgi.h"

struct responder;

/* One for each thread that parses.  RC_IO: no pipe to be had. */
enum rc responder_new(struct responder **out, struct err *e) MUST_CHECK;
void responder_free(struct responder *r);

/* Makes a request of a gate at FCGI_AT_END; its body is taken from the gate.
   Errors as request_new's; RC_BAD with *out == NULL: libfcgi refused. */
enum rc responder_parse(struct responder *r, struct fcgi_gate *g,
    struct outlet o, struct request **out, struct err *e) MUST_CHECK;

/* Waits for one request on fd, a listening socket, and gives it this answer, a
   whole one as CGI writes it.  For a program that can't serve. */
void responder_apologize(int fd, const char *answer);

/* True if this process was started for one CGI request: no listening socket
   at descriptor 0, and CGI's variables in the environment. */
bool responder_is_cgi(void);

#endif

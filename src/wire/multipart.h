/*
 * multipart/form-data (RFC 7578) of a whole, bounded body.  Pure.  Fields with
 * a filename are fields like others.  Both "\r\n" and (leniently) "\n" line
 * ends of part headers; the boundary as RFC 2046, 5.1.1 has it.
 */
#ifndef COMETLOG_WIRE_MULTIPART_H
#define COMETLOG_WIRE_MULTIPART_H

#include "wire/query.h"

/* The parameter called name (in lower case) of a Content-Type or
   Content-Disposition value (RFC 9110, 5.6.6): without its quotes, escapes
   untouched; p == NULL if there is none. */
struct slice multipart_param(struct slice header_value, const char *name);

/* The boundary parameter of a Content-Type value, quoted or not, copied into
   out (NUL-terminated).  RC_BAD if there is none or it is over 70 bytes. */
enum rc multipart_boundary(
    struct slice content_type, char out[71], struct err *e) MUST_CHECK;

/* Splits body; names and values point into it (names are unescaped in place:
   browsers write %22, %0D and %0A in them, older ones a backslash).
   RC_BAD with the reason: no closing boundary, a part without a name, too
   many. */
enum rc multipart_parse(char *body, size_t n, const char *boundary,
    struct params *p, struct err *e) MUST_CHECK;

#endif

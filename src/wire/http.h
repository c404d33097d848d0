/*
 * Small pieces of HTTP (RFC 9110) that a CGI program needs.  Pure.
 */
#ifndef COMETLOG_WIRE_HTTP_H
#define COMETLOG_WIRE_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

/* The reason phrase of a status ("Created"); "" if unknown. */
const char *http_reason(int status);

/* True if the media type of a Content-Type value is `type` ("text/plain"),
   ignoring case and parameters. */
bool http_is_type(struct slice content_type, const char *type);

/* True if an Accept header (RFC 9110, 12.5.1) weighs text/html over
   application/json; where they weigh the same, if it names text/html and covers
   JSON only by a wildcard.  p == NULL or "*" + "/" + "*" alone: false. */
bool http_wants_html(struct slice accept);

/* True if an If-None-Match value names etag (given with W/ and quotes), by weak
   comparison (RFC 9110, 8.8.3.2), or is "*".  Apache's mod_deflate and
   mod_brotli append -gzip or -br within the quotes, to weak tags too, and don't
   take it off what comes back: a tag with that suffix names etag as well. */
bool http_etag_matches(struct slice if_none_match, struct slice etag);

/* RC_OK if target is a relative reference (RFC 3986, 4.2) that stays on this
   site and is safe in a Location header: it has no scheme, doesn't begin with
   "//", isn't empty; no control characters, no backslash anywhere, no space,
   valid UTF-8, at most 2,000 bytes.  Else RC_BAD. */
enum rc http_redirect_check(struct slice target, struct err *e) MUST_CHECK;

/* Appends target, what may not stand in a URI percent-encoded: bytes above
   0x7e, spaces, quotes, '%' without two hex digits and the like. */
void http_add_location(struct buf *b, struct slice target);

/* True if an Origin header's value ("https://a.example:8443") names the same
   host and port as Host, whatever its scheme's default port; case-insensitive.
   A Host without a port has the default of the origin's scheme (TLS may end at
   a proxy).  Only http and https. */
bool http_origin_is_host(struct slice origin, struct slice host);

/* A CGI answer head: "Status: 201 Created\r\nContent-Type: ..\r\n" + extra +
   "\r\n".  extra: whole header lines with "\r\n", may be "".  No Content-Type
   when content_type is NULL, no Content-Length for HTTP_UNKNOWN body_bytes. */
#define HTTP_UNKNOWN ((size_t)-1)
void http_add_head(struct buf *b, int status, const char *content_type,
    const char *extra, size_t body_bytes);

/* An application/problem+json body (RFC 9457): type about:blank, title, status,
   detail (any bytes: invalid UTF-8 is repaired). */
void http_add_problem(struct buf *b, int status, struct slice detail);

/* Appends s as HTML text: & < > " ' escaped. */
void http_add_html(struct buf *b, struct slice s);

#endif

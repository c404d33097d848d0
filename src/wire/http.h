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

/* How much an Accept header wants text/html over application/json: true if it does.
   p == NULL or "*" + "/" + "*" alone: false. */
bool http_wants_html(struct slice accept);

/* True if an If-None-Match value names etag (given with W/ and quotes), by weak
   comparison (RFC 9110, 8.8.3.2), or is "*". */
bool http_etag_matches(struct slice if_none_match, struct slice etag);

/* RC_OK if target is a path on this site that is safe in a Location header:
   begins with one '/', then neither '/' nor '\\'; no control characters, no
   backslash anywhere, no space, valid UTF-8, at most 2,000 bytes; else RC_BAD. */
enum rc http_redirect_check(struct slice target, struct err *e) MUST_CHECK;

/* target with bytes above 0x7e and others not allowed in a URI percent-encoded. */
void http_add_location(struct buf *b, struct slice target);

/* True if an Origin header's value ("https://a.example:8443") names the same host and
   port as Host, whatever its scheme's default port; case-insensitive. */
bool http_origin_is_host(struct slice origin, struct slice host);

/* A CGI answer head: "Status: 201 Created\r\nContent-Type: ..\r\n" + extra + "\r\n".
   extra: whole header lines with "\r\n", may be "".  No Content-Length when
   body_bytes is HTTP_UNKNOWN. */
#define HTTP_UNKNOWN ((size_t)-1)
void http_add_head(struct buf *b, int status, const char *content_type,
    const char *extra, size_t body_bytes);

/* An application/problem+json body (RFC 9457): type about:blank, title, status, detail. */
void http_add_problem(struct buf *b, int status, struct slice detail);

/* Appends s as HTML text: & < > " ' escaped. */
void http_add_html(struct buf *b, struct slice s);

#endif

/*
 * One HTTP request as the web server described it, whole in memory, with the
 * outlet for its answer.  Made by transport/responder.c (FastCGI, CGI); handed
 * through the technique table; ended by answer_*() or given to the hub.
 */
#ifndef COMETLOG_TRANSPORT_REQUEST_H
#define COMETLOG_TRANSPORT_REQUEST_H

#include "base/buf.h"
#include "hub/outlet.h"
#include "wire/query.h"

/*      field           CGI variable (RFC 3875, section 4.1) */
/* clang-format off */
#define REQUEST_VARIABLES(X) \
	X(method,        "REQUEST_METHOD") \
	X(script_name,   "SCRIPT_NAME") \
	X(path_info,     "PATH_INFO") \
	X(uri,           "REQUEST_URI") \
	X(query,         "QUERY_STRING") \
	X(content_type,  "CONTENT_TYPE") \
	X(content_length, "CONTENT_LENGTH") \
	X(accept,        "HTTP_ACCEPT") \
	X(if_none_match, "HTTP_IF_NONE_MATCH") \
	X(last_event_id, "HTTP_LAST_EVENT_ID") \
	X(origin,        "HTTP_ORIGIN") \
	X(host,          "HTTP_HOST") \
	X(client,        "REMOTE_ADDR") \
	X(web_root,      "DOCUMENT_ROOT") \
	X(web_server,    "SERVER_SOFTWARE") \
	X(protocol,      "SERVER_PROTOCOL") \
	X(https,         "HTTPS") \
	X(cookie,        "HTTP_COOKIE") \
	X(referer,       "HTTP_REFERER") \
	X(fetch_site,    "HTTP_SEC_FETCH_SITE") \
	X(user_agent,    "HTTP_USER_AGENT")
/* clang-format on */

struct request {
	struct outlet outlet;
#define X(field, variable) struct slice field;
	REQUEST_VARIABLES(X)
#undef X
	struct slice path;    /* below the base URL, decoded: "/poll" */
	struct params params; /* the query's, decoded */
	bool is_cross;        /* an allowed other
	                         origin's: wants CORS */
	char *body;
	size_t body_n;
	char *text; /* the memory behind the slices */
};

/* From "NAME=value" texts (NULL-ended), which are copied.  Takes o only on
   RC_OK.  RC_NOMEM; RC_BAD: too many query parameters, in which case *out is
   made too, without params, so that it can be answered. */
enum rc request_new(struct request **out, struct outlet o, char *const *env,
    struct err *e) MUST_CHECK;

/* Takes body (freed with free). */
void request_set_body(struct request *rq, char *body, size_t n);

/* Not the outlet: that has gone its way. */
void request_free(struct request *rq);

/* RC_BAD if the body isn't as long as the web server said: its client left in
   the middle of it. */
enum rc request_check_body(const struct request *rq, struct err *e) MUST_CHECK;

static inline bool
request_is(const struct request *rq, const char *method)
{
	return slice_is(rq->method, slice_of(method));
}

#endif

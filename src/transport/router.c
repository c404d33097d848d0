#include "transport/router.h"

#include "base/diag.h"
#include "transport/answer.h"
#include "transport/technique.h"
#include "wire/http.h"

#include <stdio.h>

/* HEAD is for what only reads: where GET may publish, it would, too. */
enum methods { GETS = 1, POSTS = 2, BOTH = 3 };

static const char *const method_names[] = {
    [GETS] = "GET, HEAD, OPTIONS",
    [POSTS] = "POST, OPTIONS",
    [BOTH] = "GET, POST, OPTIONS",
};

static const struct route {
	const char *path;
	bool has_rest; /* more segments may follow */
	enum methods methods;
	technique_fn *serve;
} routes[] = {
    {"/publish", true, POSTS, publish_serve},
    {"/poll", false, GETS, shortpoll_serve},
    {"/longpoll", false, GETS, longpoll_serve},
    {"/events", false, GETS, sse_serve},
    {"/stream", false, GETS, stream_serve},
    {"/status", false, GETS, status_serve},
    {"/metrics", false, GETS, metrics_serve},
    {"/channels", false, GETS, channels_serve},
    {"/doctor", true, GETS, doctor_serve},
    {"/bayeux", true, BOTH, bayeux_serve},
};

#define N_ROUTES (sizeof routes / sizeof routes[0])

static const struct route *
find(struct slice path, struct slice *rest)
{
	const struct route *r;
	struct slice head;

	for (r = routes; r < routes + N_ROUTES; r++) {
		head = slice_of(r->path);
		if (!slice_starts(path, head))
			continue;
		*rest = slice_after(path, head.n);
		if (rest->n == 0)
			return r;
		if (rest->p[0] == '/' && (r->has_rest || rest->n == 1)) {
			*rest = slice_after(*rest, 1);
			return r;
		}
	}
	return NULL;
}

static void
answer_options(struct server *s, struct request *rq, const struct route *r)
{
	char extra[256];
	const char *methods = method_names[r->methods];

	snprintf(extra, sizeof extra,
	    "Allow: %s\r\n"
	    "Access-Control-Allow-Methods: %s\r\n"
	    "Access-Control-Allow-Headers: Content-Type, Last-Event-ID, "
	    "If-None-Match\r\nAccess-Control-Max-Age: 86400\r\n",
	    methods, methods);
	answer_send(s, rq, 204, NULL, extra, SLICE(""));
}

static bool
is_method(const struct request *rq, const struct route *r)
{
	if (request_is(rq, "POST"))
		return (r->methods & POSTS) != 0;
	if (request_is(rq, "HEAD"))
		return r->methods == GETS;
	return (r->methods & GETS) != 0 && request_is(rq, "GET");
}

static void
refuse_method(struct server *s, struct request *rq, const struct route *r)
{
	char extra[64];

	snprintf(
	    extra, sizeof extra, "Allow: %s\r\n", method_names[r->methods]);
	answer_status(s, rq, 405, extra,
	    r->methods == POSTS      ? "Publishing takes a POST."
	        : r->methods == GETS ? "Reading takes a GET."
	                             : "Bayeux takes a POST, or a GET.");
}

void
router_serve(
    struct server *s, struct request *rq, enum rc rc, const struct err *e)
{
	const struct route *r;
	struct slice rest;
	bool is_welcome;

	atomic_fetch_add_explicit(&s->count.requests, 1, memory_order_relaxed);
	r = find(rq->path, &rest);
	is_welcome =
	    server_allows_origin(s, rq->origin, rq->host, &rq->is_cross);
	if (rc != RC_OK)
		answer_problem(s, rq, rc, e->text);
	else if (r == NULL)
		answer_problem(s, rq, RC_MISSING,
		    "There is nothing at this "
		    "path. Try publish, poll, longpoll, events, stream, "
		    "status, "
		    "metrics, channels, bayeux or doctor.");
	else if (request_is(rq, "OPTIONS"))
		answer_options(s, rq, r);
	else if (!is_method(rq, r))
		refuse_method(s, rq, r);
	else if (request_is(rq, "POST") && !is_welcome)
		answer_problem(s, rq, RC_DENIED,
		    "Pages of another origin may "
		    "not publish here. The operator can allow theirs with the "
		    "option allow-origin.");
	else
		r->serve(s, rq, rest);
}

/* The request was whole but over a bound: told, not served. */
static void
refuse(struct server *s, struct request *rq, const struct fcgi_gate *g)
{
	char text[160];

	if (g->is_params_over) {
		answer_status(s, rq, 431, "",
		    "The request's address and header "
		    "fields are too long. Shorten the query or the cookies.");
		return;
	}
	snprintf(text, sizeof text,
	    "The body is over %zu bytes. Send less in "
	    "one request, or raise the option body-bytes.",
	    g->body.limit_bytes);
	answer_problem(s, rq, RC_TOO_LARGE, text);
}

void
router_serve_fcgi(
    struct server *s, struct responder *r, int fd, struct fcgi_gate *g)
{
	struct outlet o = {.fd = fd,
	    .id = g->id,
	    .is_fcgi = true,
	    .is_keep = g->is_keep,
	    .is_socket = true};
	struct request *rq = NULL;
	struct err e = {RC_OK, ""};
	char *const no_env[] = {NULL};
	enum rc rc;

	if (g->is_params_over)
		rc = request_new(&rq, o, no_env, &e);
	else if ((rc = fcgi_params_check(buf_slice(&g->params), &e)) == RC_OK)
		rc = responder_parse(r, g, o, &rq, &e);
	if (rq == NULL) {
		diag(DIAG_DEBUG, "a request is dropped: %s", e.text);
		atomic_fetch_add_explicit(
		    &s->count.dropped, 1, memory_order_relaxed);
		outlet_close(&o);
	} else if (rc == RC_OK && (g->is_params_over || g->is_body_over)) {
		refuse(s, rq, g);
	} else {
		if (rc == RC_OK)
			rc = request_check_body(rq, &e);
		router_serve(s, rq, rc, &e);
	}
}

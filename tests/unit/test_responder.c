/* From a gate's params to a request's fields, by way of libfcgi. */
#include "../fcgi_records.h"
#include "fail_alloc.h"
#include "tests.h"
#include "transport/responder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The longest params that the options allow. */
#define PARAMS_MAX ((size_t)56 * 1024)

static const struct outlet outlet = {
    .fd = -1, .id = 3, .is_fcgi = true, .is_keep = true, .is_socket = true};
static struct err e;

static struct responder *
begin(void)
{
	struct responder *r;

	CU_ASSERT_EQUAL_FATAL(responder_new(&r, &e), RC_OK);
	return r;
}

/* Parses a request with these params (freed) and this body. */
static enum rc
parse_body(struct responder *r, struct buf *params, struct slice body,
    struct request **rq)
{
	struct fcgi_gate g;
	struct buf b;
	size_t used;
	enum rc rc;

	buf_init(&b, 0);
	add_request(&b, 3, buf_slice(params), body);
	fcgi_gate_init(&g, 0, 0);
	CU_ASSERT_EQUAL_FATAL(fcgi_gate_feed(&g, b.p, b.n, &used, &e), RC_OK);
	CU_ASSERT_EQUAL_FATAL(g.stage, FCGI_AT_END);
	rc = responder_parse(r, &g, outlet, rq, &e);
	fcgi_gate_fini(&g);
	buf_fini(&b);
	buf_fini(params);
	return rc;
}

static enum rc
parse(struct responder *r, struct buf *params, struct request **rq)
{
	return parse_body(r, params, SLICE(""), rq);
}

static void
add_var(struct buf *b, const char *name, const char *value)
{
	add_pair(b, slice_of(name), slice_of(value));
}

/* True if a plain request works. */
static bool
works(struct responder *r)
{
	struct request *rq;
	struct buf params;
	bool is_so;

	buf_init(&params, 0);
	add_var(&params, "REQUEST_METHOD", "GET");
	add_var(&params, "QUERY_STRING", "channel=a%2Fb&last=5");
	is_so = parse(r, &params, &rq) == RC_OK && request_is(rq, "GET") &&
	    slice_is(params_get(&rq->params, "channel"), SLICE("a/b")) &&
	    slice_is(params_get(&rq->params, "last"), SLICE("5"));
	request_free(rq);
	return is_so;
}

static void
each_variable_becomes_its_field(void)
{
	struct responder *r = begin();
	struct request *rq;
	struct buf params;

	buf_init(&params, 0);
	add_var(&params, "UNKNOWN", "x");
#define X(field, variable) add_var(&params, variable, "/" #field);
	REQUEST_VARIABLES(X)
#undef X
	add_var(&params, "REQUEST_METHOD", "second");
	add_var(&params, "", "");
	CU_ASSERT_EQUAL_FATAL(parse(r, &params, &rq), RC_OK);
#define X(field, variable) CU_ASSERT(slice_is(rq->field, slice_of("/" #field)));
	REQUEST_VARIABLES(X)
#undef X
	CU_ASSERT_EQUAL(rq->outlet.id, 3);
	CU_ASSERT(rq->outlet.is_keep);
	CU_ASSERT(!rq->is_cross);
	request_free(rq);
	responder_free(r);
	responder_free(NULL);
}

static void
missing_variables_are_empty_fields(void)
{
	struct responder *r = begin();
	struct request *rq;
	struct buf params;

	buf_init(&params, 0);
	CU_ASSERT_EQUAL_FATAL(parse(r, &params, &rq), RC_OK);
#define X(field, variable) \
	CU_ASSERT_PTR_NOT_NULL(rq->field.p); \
	CU_ASSERT_EQUAL(rq->field.n, 0);
	REQUEST_VARIABLES(X)
#undef X
	CU_ASSERT_EQUAL(rq->path.n + rq->params.n + rq->body_n, 0);
	request_free(rq);
	CU_ASSERT(works(r));
	responder_free(r);
}

static void
names_must_be_the_whole_name(void)
{
	struct responder *r = begin();
	struct request *rq;
	struct buf params;

	buf_init(&params, 0);
	add_var(&params, "REQUEST_METHODS", "no");
	add_var(&params, "REQUEST_METHO", "no");
	add_var(&params, "request_method", "no");
	add_var(&params, "REQUEST_METHOD", "");
	CU_ASSERT_EQUAL_FATAL(parse(r, &params, &rq), RC_OK);
	CU_ASSERT_EQUAL(rq->method.n, 0);
	request_free(rq);
	responder_free(r);
}

static void
value_ends_at_a_nul(void)
{
	struct responder *r = begin();
	struct request *rq;
	struct buf params;

	buf_init(&params, 0);
	add_pair(&params, SLICE("HTTP_HOST"), SLICE("a\0b"));
	add_pair(&params, SLICE("HTTP_\0ORIGIN"), SLICE("c"));
	CU_ASSERT_EQUAL_FATAL(parse(r, &params, &rq), RC_OK);
	CU_ASSERT(slice_is(rq->host, SLICE("a")));
	CU_ASSERT_EQUAL(rq->origin.n, 0);
	request_free(rq);
	responder_free(r);
}

static void
body_is_taken_from_the_gate(void)
{
	const struct slice body = SLICE("a=1\0\xff&b");
	struct responder *r = begin();
	struct request *rq;
	struct buf params;

	buf_init(&params, 0);
	add_var(&params, "REQUEST_METHOD", "POST");
	CU_ASSERT_EQUAL_FATAL(parse_body(r, &params, body, &rq), RC_OK);
	CU_ASSERT(slice_is((struct slice){rq->body, rq->body_n}, body));
	request_free(rq);
	responder_free(r);
}

/* True if these variables (NULL: not sent) give this path. */
static bool
has_path(struct responder *r, const char *script, const char *uri,
    const char *path_info, const char *want)
{
	struct request *rq;
	struct buf params;
	bool is_so;

	buf_init(&params, 0);
	if (script != NULL)
		add_var(&params, "SCRIPT_NAME", script);
	if (uri != NULL)
		add_var(&params, "REQUEST_URI", uri);
	if (path_info != NULL)
		add_var(&params, "PATH_INFO", path_info);
	is_so = parse(r, &params, &rq) == RC_OK &&
	    slice_is(rq->path, slice_of(want)) &&
	    slice_is(rq->uri, slice_of(uri == NULL ? "" : uri));
	request_free(rq);
	return is_so;
}

static void
path_is_the_uris_below_the_script(void)
{
	struct responder *r = begin();

	CU_ASSERT(has_path(r, "/comet", "/comet/publish/a%2Fb//c%3Fd?x=/y",
	    "/publish/a/b/c?d", "/publish/a/b//c?d"));
	CU_ASSERT(
	    has_path(r, "/comet", "/comet/p/%2500+q", "/p/x", "/p/%00+q"));
	CU_ASSERT(has_path(r, "", "/poll?a", "/poll", "/poll"));
	CU_ASSERT(has_path(r, NULL, "/poll", NULL, "/poll"));
	CU_ASSERT(has_path(r, "/comet", "/comet/", "/", "/"));
	CU_ASSERT(has_path(r, "/comet", "/comet/a%zz%4", NULL, "/a%zz%4"));
	responder_free(r);
}

static void
path_is_path_info_where_the_uri_does_not_fit(void)
{
	struct responder *r = begin();

	CU_ASSERT(has_path(r, "/comet", NULL, "/p%41", "/p%41"));
	CU_ASSERT(has_path(r, "/comet", "/else/poll", "/poll", "/poll"));
	CU_ASSERT(has_path(r, "/comet", "/cometary", "/poll", "/poll"));
	CU_ASSERT(has_path(r, "/comet", "/comet?/a", "/poll", "/poll"));
	CU_ASSERT(has_path(r, "/comet", "/com", "/poll", "/poll"));
	CU_ASSERT(has_path(r, "/comet", "http://a/comet/x", "/poll", "/poll"));
	CU_ASSERT(has_path(r, "/comet", "*", NULL, ""));
	responder_free(r);
}

/* An access rule for /comet/publish/open was asked about the tidied path. */
static void
path_never_means_what_the_web_servers_rules_did_not_see(void)
{
	struct responder *r = begin();

	CU_ASSERT(
	    has_path(r, "/comet", "/comet/publish/../poll", "/poll", "/poll"));
	CU_ASSERT(has_path(
	    r, "/comet", "/comet/publish/%2e%2e/poll", "/poll", "/poll"));
	CU_ASSERT(has_path(r, "/comet", "/comet/poll/../publish/a",
	    "/publish/a", "/publish/a"));
	CU_ASSERT(has_path(r, "/comet", "/comet/publish/private/../open",
	    "/publish/open", "/publish/open"));
	CU_ASSERT(has_path(
	    r, "/comet", "/comet/publish/./a", "/publish/a", "/publish/a"));
	CU_ASSERT(has_path(
	    r, "/comet", "/comet/publish/...a", "/publish/b", "/publish/...a"));
	responder_free(r);
}

static void
params_up_to_the_bound_fit(void)
{
	struct responder *r = begin();
	struct request *rq;
	char *text = calloc(1, PARAMS_MAX);
	struct buf params;
	size_t n;

	memset(text, 'x', PARAMS_MAX);
	for (n = 8000; n < 8400; n++) { /* libfcgi's buffer has 8192 bytes */
		buf_init(&params, 0);
		add_pair(
		    &params, SLICE("HTTP_COOKIE"), (struct slice){text, n});
		add_var(&params, "HTTP_HOST", "host");
		if (parse(r, &params, &rq) != RC_OK ||
		    !slice_is(rq->host, SLICE("host")))
			CU_FAIL("a size is not taken");
		request_free(rq);
	}
	buf_init(&params, 0);
	add_var(&params, "HTTP_HOST", "host");
	n = PARAMS_MAX - params.n - 8 - 12;
	add_pair(&params, SLICE("REQUEST_URI!"), (struct slice){text, n});
	params.p[params.n - n - 1] = '=';
	CU_ASSERT(params.n <= PARAMS_MAX && params.n > PARAMS_MAX - 8);
	CU_ASSERT_EQUAL_FATAL(parse(r, &params, &rq), RC_OK);
	CU_ASSERT_EQUAL(rq->uri.n, n + 1);
	request_free(rq);
	CU_ASSERT(works(r));
	responder_free(r);
	free(text);
}

static void
too_many_query_parameters_can_still_be_answered(void)
{
	struct responder *r = begin();
	struct request *rq;
	struct buf params, query;
	size_t i;

	buf_init(&query, 0);
	for (i = 0; i <= QUERY_MAX_PARAMS; i++)
		buf_add_text(&query, "a=b&");
	buf_init(&params, 0);
	add_var(&params, "HTTP_HOST", "host");
	add_pair(&params, SLICE("QUERY_STRING"), buf_slice(&query));
	CU_ASSERT_EQUAL(parse_body(r, &params, SLICE("body"), &rq), RC_BAD);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rq);
	CU_ASSERT(slice_is(rq->host, SLICE("host")));
	CU_ASSERT_EQUAL(rq->body_n, 4);
	request_free(rq);
	buf_fini(&query);
	CU_ASSERT(works(r));
	responder_free(r);
}

static size_t
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Lying params, which the gate's owner checks for, are libfcgi's to refuse. */
static void
request_after_a_refused_one_works(void)
{
	const struct slice lies[] = {SLICE("\5\1abc"), SLICE("\1\5abc"),
	    SLICE("\x80"), SLICE("\1"), SLICE("\1\x80\0"),
	    SLICE("\1\1ab\x7f\x7f")};
	size_t before = count_descriptors(), i,
	       n = sizeof lies / sizeof lies[0];
	struct responder *r = begin();
	struct request *rq;
	struct buf params;

	for (i = 0; i < 5 * n; i++) {
		buf_init(&params, 0);
		buf_add_slice(&params, lies[i % n]);
		CU_ASSERT_EQUAL(parse(r, &params, &rq), RC_BAD);
		CU_ASSERT_PTR_NULL(rq);
		CU_ASSERT_EQUAL(e.rc, RC_BAD);
		if (i % 2 == 0)
			CU_ASSERT(works(r));
	}
	responder_free(r);
	CU_ASSERT_EQUAL(count_descriptors(), before);
}

/* A whole record of params does not fit into a pipe; then it fails at once,
   where waiting for room would be for ever. */
static void
request_after_one_that_fills_the_pipe_works(void)
{
	size_t before = count_descriptors();
	struct responder *r = begin();
	struct request *rq;
	struct buf params;
	char *text = calloc(1, FCGI_CONTENT_MAX);

	CU_ASSERT(works(r));
	buf_init(&params, 0);
	add_pair(&params, SLICE("A"),
	    (struct slice){text, FCGI_CONTENT_MAX - 1 - 1 - 4});
	CU_ASSERT_EQUAL(params.n, FCGI_CONTENT_MAX);
	CU_ASSERT_EQUAL(parse(r, &params, &rq), RC_IO);
	CU_ASSERT_PTR_NULL(rq);
	CU_ASSERT(works(r));
	responder_free(r);
	CU_ASSERT_EQUAL(count_descriptors(), before);
	free(text);
}

static void
params_that_never_fit_leak_no_descriptor(void)
{
	size_t before = count_descriptors(), i;
	struct responder *r = begin();
	struct request *rq;
	struct buf params;
	char *text = calloc(1, FCGI_CONTENT_MAX);

	for (i = 0; i < 10; i++) {
		buf_init(&params, 0);
		add_pair(&params, SLICE("A"),
		    (struct slice){text, FCGI_CONTENT_MAX - 1 - 1 - 4});
		CU_ASSERT_EQUAL(parse(r, &params, &rq), RC_IO);
	}
	CU_ASSERT(works(r));
	responder_free(r);
	CU_ASSERT_EQUAL(count_descriptors(), before);
	free(text);
}

/* Parses with the i-th allocation failing; true if one did. */
static bool
fails_at(struct responder *r, struct fcgi_gate *g, unsigned i)
{
	struct request *rq = NULL;
	bool has_failed;
	enum rc rc;

	fail_alloc_after(i);
	rc = responder_parse(r, g, outlet, &rq, &e);
	has_failed = fail_alloc_end();
	CU_ASSERT_EQUAL(rc, has_failed ? RC_NOMEM : RC_OK);
	CU_ASSERT_EQUAL(rq == NULL, has_failed);
	request_free(rq);
	return has_failed;
}

static void
request_after_a_lack_of_memory_works(void)
{
	struct responder *r = begin(), *none;
	struct fcgi_gate g;
	struct buf b, params;
	size_t used;
	unsigned i;
	enum rc rc;

	buf_init(&params, 0);
	buf_init(&b, 0);
	add_var(&params, "HTTP_HOST", "host");
	add_request(&b, 1, buf_slice(&params), SLICE("body"));
	fcgi_gate_init(&g, 0, 0);
	CU_ASSERT_EQUAL(fcgi_gate_feed(&g, b.p, b.n, &used, &e), RC_OK);
	for (i = 0; fails_at(r, &g, i); i++)
		CU_ASSERT(works(r));
	CU_ASSERT(i >= 2);
	fail_alloc_after(0);
	rc = responder_new(&none, &e);
	CU_ASSERT(fail_alloc_end());
	CU_ASSERT_EQUAL(rc, RC_NOMEM);
	CU_ASSERT_PTR_NULL(none);
	fcgi_gate_fini(&g);
	buf_fini(&b);
	buf_fini(&params);
	responder_free(r);
}

/* In a child of its own, for libfcgi looks only once: 1 or 0. */
static int
is_cgi(int stdin_fd, const char *method)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		dup2(stdin_fd, STDIN_FILENO);
		unsetenv("REQUEST_METHOD");
		if (method != NULL)
			setenv("REQUEST_METHOD", method, 1);
		_exit(responder_is_cgi());
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	close(stdin_fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
cgi_is_told_from_fastcgi(void)
{
	CU_ASSERT_EQUAL(is_cgi(open("/dev/null", O_RDONLY), "GET"), 1);
	CU_ASSERT_EQUAL(is_cgi(open("/dev/null", O_RDONLY), NULL), 0);
	CU_ASSERT_EQUAL(is_cgi(socket(AF_UNIX, SOCK_STREAM, 0), "GET"), 0);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_responder[] = {T(each_variable_becomes_its_field),
    T(missing_variables_are_empty_fields), T(names_must_be_the_whole_name),
    T(value_ends_at_a_nul), T(body_is_taken_from_the_gate),
    T(path_is_the_uris_below_the_script),
    T(path_is_path_info_where_the_uri_does_not_fit),
    T(path_never_means_what_the_web_servers_rules_did_not_see),
    T(params_up_to_the_bound_fit),
    T(too_many_query_parameters_can_still_be_answered),
    T(request_after_a_refused_one_works),
    T(request_after_one_that_fills_the_pipe_works),
    T(params_that_never_fit_leak_no_descriptor),
    T(request_after_a_lack_of_memory_works), T(cgi_is_told_from_fastcgi),
    CU_TEST_INFO_NULL};

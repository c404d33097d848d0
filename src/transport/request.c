#include "transport/request.h"

#include <stdlib.h>

/* The value in "NAME=value", or NULL. */
static const char *
value_of(const char *text, const char *name, size_t n)
{
	return strncmp(text, name, n) == 0 && text[n] == '=' ? text + n + 1
	                                                     : NULL;
}

static const char *
find(char *const *env, const char *name)
{
	size_t n = strlen(name);
	const char *value;

	for (; *env != NULL; env++)
		if ((value = value_of(*env, name, n)) != NULL)
			return value;
	return NULL;
}

/* Has it a segment "." or ".."? */
static bool
has_dots(struct slice path)
{
	size_t i, from = 0;

	for (i = 0; i <= path.n; i++) {
		if (i < path.n && path.p[i] != '/')
			continue;
		if (i > from && i - from <= 2 && path.p[from] == '.' &&
		    path.p[i - 1] == '.')
			return true;
		from = i + 1;
	}
	return false;
}

/* "/publish" of "/publish/chat/a". */
static struct slice
first_segment(struct slice path)
{
	const char *end =
	    path.n < 2 ? NULL : memchr(path.p + 1, '/', path.n - 1);

	return (struct slice){
	    path.p, end == NULL ? path.n : (size_t)(end - path.p)};
}

/*
 * The path below the base URL.  The URI is as the client sent it, while web
 * servers decode and tidy PATH_INFO in ways of their own, which a channel name
 * with "%2F" or "//" would not survive; so the URI counts where it fits.  But
 * the web server's access rules saw the tidied path: where the two could mean
 * different things (".." or another technique), PATH_INFO counts.
 */
static struct slice
find_path(const struct request *rq, char *to)
{
	struct slice path = rq->uri;
	const char *end;

	if (path.p != NULL && slice_starts(path, rq->script_name))
		path = slice_after(path, rq->script_name.n);
	else
		path = (struct slice){0};
	end = path.p == NULL ? NULL : memchr(path.p, '?', path.n);
	if (end != NULL)
		path.n = (size_t)(end - path.p);
	if (path.n == 0 || path.p[0] != '/') {
		memcpy(to, rq->path_info.p, rq->path_info.n);
		return (struct slice){to, rq->path_info.n};
	}
	memcpy(to, path.p, path.n);
	path = (struct slice){to, percent_decode(to, path.n)};
	if (rq->path_info.n > 0 &&
	    (has_dots(path) ||
	        !slice_is(first_segment(path), first_segment(rq->path_info)))) {
		memcpy(to, rq->path_info.p, rq->path_info.n);
		path.n = rq->path_info.n;
	}
	return path;
}

enum rc
request_new(
    struct request **out, struct outlet o, char *const *env, struct err *e)
{
	struct request *rq = calloc(1, sizeof *rq);
	const char *value;
	size_t bytes = 1, n;
	char *to;

	*out = NULL;
	if (rq == NULL)
		return err_set(e, RC_NOMEM, "no memory for a request");
#define X(field, variable) \
	value = find(env, variable); \
	rq->field = slice_of(value == NULL ? "" : value); \
	bytes += rq->field.n + 1;
	REQUEST_VARIABLES(X)
#undef X
	n = rq->uri.n > rq->path_info.n ? rq->uri.n : rq->path_info.n;
	rq->text = to = malloc(bytes + n);
	if (to == NULL) {
		free(rq);
		return err_set(e, RC_NOMEM, "no memory for a request");
	}
#define X(field, variable) \
	memcpy(to, rq->field.p, rq->field.n); \
	rq->field.p = to; \
	to += rq->field.n; \
	*to++ = 0;
	REQUEST_VARIABLES(X)
#undef X
	rq->path = find_path(rq, to);
	rq->outlet = o;
	*out = rq;
	return query_parse(
	    rq->text + (rq->query.p - rq->text), rq->query.n, &rq->params, e);
}

void
request_set_body(struct request *rq, char *body, size_t n)
{
	free(rq->body);
	rq->body = body;
	rq->body_n = n;
}

enum rc
request_check_body(const struct request *rq, struct err *e)
{
	struct slice said = rq->content_length;
	size_t n = 0, i;

	for (i = 0; i < said.n && said.p[i] >= '0' && said.p[i] <= '9' &&
	     n < SIZE_MAX / 16;
	     i++)
		n = n * 10 + (size_t)(said.p[i] - '0');
	if (said.n == 0 || (i == said.n && n == rq->body_n))
		return RC_OK;
	return err_set(e, RC_BAD,
	    "The body has %zu bytes, and Content-Length "
	    "says %.20s. Nothing was stored; send it again whole.",
	    rq->body_n, said.p);
}

void
request_free(struct request *rq)
{
	if (rq == NULL)
		return;
	free(rq->body);
	free(rq->text);
	free(rq);
}

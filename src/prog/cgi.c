#include "prog/cgi.h"

#include "transport/answer.h"
#include "transport/router.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t
read_some(char *to, size_t n)
{
	ssize_t got;

	do
		got = read(STDIN_FILENO, to, n);
	while (got < 0 && errno == EINTR);
	return got;
}

/* A body that is too long: web servers listen to an answer only after they have
   handed it all over.  Most they bound by themselves; this is for the rest. */
static void
pass_over(unsigned long long n)
{
	char bytes[16384];
	ssize_t got = 1;

	for (; n > 0 && got > 0; n -= (size_t)got)
		got = read_some(
		    bytes, n < sizeof bytes ? (size_t)n : sizeof bytes);
}

/* The body, as long as CONTENT_LENGTH says; RC_TOO_LARGE over the bound. */
static enum rc
read_body(const struct options *o, struct buf *b, struct err *e)
{
	const char *text = getenv("CONTENT_LENGTH");
	unsigned long long want = text == NULL ? 0 : strtoull(text, NULL, 10);
	ssize_t n = 1;
	char *to;

	if (want > o->body_bytes) {
		pass_over(want < 4 * o->body_bytes ? want : 4 * o->body_bytes);
		return err_set(e, RC_TOO_LARGE,
		    "The body is over %llu bytes. "
		    "Send less in one request, or raise the option body-bytes.",
		    (unsigned long long)o->body_bytes);
	}
	to = buf_room(b, (size_t)want);
	if (want > 0 && to == NULL)
		return err_set(e, RC_NOMEM, "no memory for the body");
	while (b->n < want && n > 0) {
		n = read_some(b->p + b->n, (size_t)want - b->n);
		if (n > 0)
			b->n += (size_t)n;
	}
	return b->n == want
	    ? RC_OK
	    : err_set(e, RC_BAD, "the body ends after %zu of %llu bytes", b->n,
	          want);
}

void
cgi_serve(struct server *s)
{
	struct outlet o = {
	    .fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), .is_one_way = true};
	struct request *rq;
	struct stat st;
	struct buf body;
	struct err e = {RC_OK, ""};
	enum rc rc;
	char *p;
	size_t n;

	if (o.fd < 0)
		return;
	o.is_socket = fstat(o.fd, &st) == 0 && S_ISSOCK(st.st_mode);
	buf_init(&body, 0);
	rc = request_new(&rq, o, environ, &e);
	if (rq == NULL) {
		outlet_close(&o);
		return;
	}
	if (rc == RC_OK)
		rc = read_body(s->options, &body, &e);
	/* not before: standard input may be the same socket */
	fcntl(o.fd, F_SETFL, fcntl(o.fd, F_GETFL) | O_NONBLOCK);
	p = buf_take(&body, &n);
	request_set_body(rq, p, n);
	router_serve(s, rq, rc, &e);
}

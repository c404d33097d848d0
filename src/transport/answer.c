#include "transport/answer.h"

#include "base/clock.h"
#include "base/diag.h"
#include "wire/http.h"

#include <stdio.h>

#define PROBLEM_TYPE "application/problem+json"
#define EXTRA_BYTES 64

void
answer_add_cors(struct buf *b, const struct request *rq)
{
	if (!rq->is_cross)
		return;
	buf_add_text(b, "Access-Control-Allow-Origin: ");
	buf_add_slice(b, rq->origin); /* one of allow-origin's */
	buf_add_text(b,
	    "\r\nAccess-Control-Expose-Headers: ETag, Retry-After"
	    "\r\nVary: Origin\r\n");
}

void
answer_bytes(struct server *s, struct outlet o, struct slice content)
{
	struct iovec iov;
	struct buf b;
	ssize_t sent;
	size_t n;
	char *p;

	buf_init(&b, 0);
	buf_room(&b, content.n + content.n / 4096 + 64);
	outlet_add(&o, &b, content);
	outlet_add_end(&o, &b);
	iov = (struct iovec){b.p, b.n};
	sent = b.rc != RC_OK ? -1 : outlet_send(&o, &iov, 1);
	if (sent < 0) {
		outlet_close(&o);
	} else if ((size_t)sent == b.n) {
		if (o.is_keep)
			server_idle(s, o);
		else
			outlet_close(&o);
	} else {
		p = buf_take(&b, &n);
		server_leave(s, o, p, n, (size_t)sent);
	}
	buf_fini(&b);
}

void
answer_send(struct server *s, struct request *rq, int status,
    const char *content_type, const char *extra, struct slice body)
{
	struct buf content, lines;

	buf_init(&content, 0);
	buf_init(&lines, 0);
	buf_add_text(&lines, extra);
	answer_add_cors(&lines, rq);
	buf_add_char(&lines, 0);
	http_add_head(&content, status, content_type,
	    lines.rc == RC_OK ? lines.p : extra, body.n);
	if (!request_is(rq, "HEAD"))
		buf_add_slice(&content, body);
	if (content.rc == RC_OK)
		answer_bytes(s, rq->outlet, buf_slice(&content));
	else
		outlet_close(&rq->outlet);
	buf_fini(&lines);
	buf_fini(&content);
	request_free(rq);
}

void
answer_status(struct server *s, struct request *rq, int status,
    const char *extra, const char *detail)
{
	struct buf body;

	if (status >= 400)
		atomic_fetch_add_explicit(
		    &s->count.refused, 1, memory_order_relaxed);
	buf_init(&body, 0);
	http_add_problem(&body, status, slice_of(detail));
	answer_send(s, rq, status, PROBLEM_TYPE, extra, buf_slice(&body));
	buf_fini(&body);
}

/* Header lines, and the seconds to wait where another try helps. */
static void
put_extra(char *to, size_t n, int status)
{
	if (status == 429 || status == 503)
		snprintf(to, n,
		    "Cache-Control: no-store\r\nRetry-After: %u\r\n",
		    1 + (unsigned)(clock_random() % 3));
	else
		snprintf(to, n, "Cache-Control: no-store\r\n");
}

void
answer_problem(
    struct server *s, struct request *rq, enum rc rc, const char *detail)
{
	int status = rc_http_status(rc);
	char room[ERR_TEXT_BYTES], extra[EXTRA_BYTES];

	put_extra(extra, sizeof extra, status);
	answer_status(s, rq, status, extra, rc_told(rc, detail, room));
}

void
answer_unheld(struct server *s, struct outlet o, const struct err *e)
{
	int status = rc_http_status(e->rc);
	char room[ERR_TEXT_BYTES], extra[EXTRA_BYTES];
	struct buf body, content;

	diag(DIAG_WARN, "an answer couldn't be held: %s", e->text);
	atomic_fetch_add_explicit(&s->count.refused, 1, memory_order_relaxed);
	put_extra(extra, sizeof extra, status);
	buf_init(&body, 0);
	buf_init(&content, 0);
	http_add_problem(
	    &body, status, slice_of(rc_told(e->rc, e->text, room)));
	http_add_head(&content, status, PROBLEM_TYPE, extra, body.n);
	buf_add_slice(&content, buf_slice(&body));
	if (body.rc == RC_OK && content.rc == RC_OK)
		answer_bytes(s, o, buf_slice(&content));
	else
		outlet_close(&o);
	buf_fini(&body);
	buf_fini(&content);
}

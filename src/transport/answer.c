#include "transport/answer.h"

#include "base/clock.h"
#include "wire/http.h"

#include <stdio.h>
#include <string.h>

/* As much as an error has. */
#define DETAIL_BYTES 256

void
answer_add_cors(struct buf *b, const struct request *rq)
{
	if (!rq->is_cross)
		return;
	buf_add_text(b, "Access-Control-Allow-Origin: ");
	buf_add_slice(b, rq->origin); /* one of allow-origin's */
	buf_add_text(b, "\r\nAccess-Control-Expose-Headers: ETag, Retry-After"
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
		atomic_fetch_add_explicit(&s->count.refused, 1,
		    memory_order_relaxed);
	buf_init(&body, 0);
	http_add_problem(&body, status, slice_of(detail));
	answer_send(s, rq, status, "application/problem+json", extra,
	    buf_slice(&body));
	buf_fini(&body);
}

/* "/srv/x/cometlog.db: no room" becomes "cometlog.db: no room": where things lie is
   nothing for strangers. */
static void
hide_folders(char *text)
{
	char *from = text, *to = text, *name, *c;

	while (*from != 0) {
		if (*from != '/' || (from > text && from[-1] != ' ' &&
		    from[-1] != '(' && from[-1] != '"')) {
			*to++ = *from++;
			continue;
		}
		for (name = c = from; *c != 0 && strchr(" :,;)\"", *c) == NULL;
		    c++)
			if (*c == '/')
				name = c + 1;
		from = name > from ? name : from + 1;
	}
	*to = 0;
}

void
answer_problem(struct server *s, struct request *rq, enum rc rc,
    const char *detail)
{
	int status = rc_http_status(rc);
	char hidden[DETAIL_BYTES];
	char extra[64] = "Cache-Control: no-store\r\n";

	if (status == 429 || status == 503)
		snprintf(extra, sizeof extra,
		    "Cache-Control: no-store\r\nRetry-After: %u\r\n",
		    1 + (unsigned)(clock_random() % 3));
	if (status >= 500) {
		snprintf(hidden, sizeof hidden, "%s", detail);
		hide_folders(hidden);
		detail = hidden;
	}
	answer_status(s, rq, status, extra, detail);
}

/* Short polling: what there is, at once, with an ETag (API.md, Read).  Also the
   page that refreshes itself, for browsers without JavaScript. */
#include "transport/technique.h"

#include "transport/answer.h"
#include "transport/pollpage.h"
#include "transport/reading.h"
#include "wire/html.h"
#include "wire/http.h"

#include <stdio.h>

#define REFRESH_MAX_S 3600

/* Two answers are the same to a client if they hold the same messages. */
static void
format_etag(
    char *to, size_t n, const struct request *rq, const struct reading_page *p)
{
	uint64_t h = 0; /* of what else shapes the answer */
	size_t i;

	for (i = 0; i < rq->params.n; i++)
		h = slice_hash(h, rq->params.item[i].value);
	snprintf(to, n, "W/\"%08x.%llx-%llx%s%s.%x\"", p->page.tip.epoch,
	    (unsigned long long)p->first, (unsigned long long)p->newest,
	    p->is_gap ? "g" : "", p->page.is_more ? "m" : "", (unsigned)h);
}

static void
encode_html(struct reading_page *p, const struct message *m)
{
	html_poll_message(&p->bytes, &p->html, m);
}

static void
serve_html(struct server *s, struct request *rq, struct reading *rd)
{
	struct reading_page p = {.encode = encode_html};
	struct html_poll page;
	struct buf body;
	uint64_t refresh = 0;
	struct err e;
	enum rc rc;

	buf_init(&body, 0);
	rc = params_get_uint(
	    &rq->params, "refresh", REFRESH_MAX_S, &refresh, &e);
	if (rc == RC_OK)
		rc = reading_run(rd, s, &p, &e);
	if (rc != RC_OK) {
		answer_problem(s, rq, rc, e.text);
	} else {
		html_poll_begin(&body, &page, rd->what.item[0],
		    (uint32_t)refresh, p.is_gap);
		if (p.page.n > 0)
			page.is_empty = p.html.is_empty;
		buf_add_slice(&body, buf_slice(&p.bytes));
		html_poll_end(&body, &page, (struct slice){0});
		answer_send(s, rq, 200, HTML_CONTENT_TYPE,
		    "Cache-Control: no-cache\r\n" HTML_HEADERS,
		    buf_slice(&body));
	}
	reading_page_fini(&p);
	buf_fini(&body);
}

static void
serve_json(struct server *s, struct request *rq, struct reading *rd)
{
	struct reading_page p = {.encode = pollpage_encode};
	char etag[96], extra[192];
	struct err e;
	enum rc rc = reading_run(rd, s, &p, &e);

	if (rc != RC_OK) {
		answer_problem(s, rq, rc, e.text);
		reading_page_fini(&p);
		return;
	}
	format_etag(etag, sizeof etag, rq, &p);
	snprintf(extra, sizeof extra,
	    "ETag: %s\r\nCache-Control: no-cache\r\n"
	    "X-Content-Type-Options: nosniff\r\n",
	    etag);
	if (rd->limit > 0 &&
	    http_etag_matches(rq->if_none_match, slice_of(etag)))
		answer_send(s, rq, 304, NULL, extra, SLICE(""));
	else
		pollpage_answer(s, rq, rd, &p, extra, false);
	reading_page_fini(&p);
}

void
shortpoll_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct slice format = params_get(&rq->params, "format");
	struct reading rd;
	struct err e;
	enum rc rc;

	(void)rest;
	rc = reading_parse(&rd, s, rq, READING_OLDEST, false, &e);
	if (rc != RC_OK)
		answer_problem(s, rq, rc, e.text);
	else if (format.n == 0 || slice_is(format, SLICE("json")))
		serve_json(s, rq, &rd);
	else if (slice_is(format, SLICE("html")))
		serve_html(s, rq, &rd);
	else
		answer_problem(
		    s, rq, RC_BAD, "format= takes json or html here");
	reading_fini(&rd);
}

/* Long polling: the same answer, as soon as there is
   something (API.md, Read). */
#include "transport/technique.h"

#include "base/clock.h"
#include "transport/answer.h"
#include "transport/pollpage.h"
#include "transport/reading.h"

#include <stdio.h>

#define EXTRA "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"

static void
answer_degraded(struct server *s, struct request *rq, struct reading *rd,
    struct reading_page *p)
{
	char extra[160];

	atomic_fetch_add_explicit(&s->count.degraded, 1, memory_order_relaxed);
	snprintf(extra, sizeof extra, EXTRA "Retry-After: %u\r\n",
	    2 + (unsigned)(clock_random() % 4));
	pollpage_answer(s, rq, rd, p, extra, true);
}

static void
hold(struct server *s, struct request *rq, struct reading *rd,
    struct reading_page *p, uint64_t timeout_ms, uint32_t place)
{
	struct hub_reader spec = {
	    .place = place,
	    .how = {.form = FORM_OBJECT},
	    .is_answer = true,
	    .is_now = rd->from == READING_NOW,
	    .after = p->page.reached,
	    .hold_ms = timeout_ms < s->options->max_hold_ms
	        ? timeout_ms
	        : s->options->max_hold_ms,
	};

	reading_hold(s, rq, rd, p, &spec, pollpage_type(rd), EXTRA);
}

void
longpoll_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct reading_page p = {.encode = pollpage_encode};
	uint64_t timeout_s = s->options->longpoll_timeout_ms / 1000;
	uint32_t place;
	struct reading rd;
	struct err e;
	enum rc rc;

	(void)rest;
	rc = reading_parse(&rd, s, rq, READING_NOW, false, &e);
	if (rc == RC_OK)
		rc = params_get_uint(
		    &rq->params, "timeout", UINT32_MAX, &timeout_s, &e);
	if (timeout_s > s->options->longpoll_max_ms / 1000)
		timeout_s = s->options->longpoll_max_ms / 1000;
	if (rc == RC_OK)
		rc = reading_run(&rd, s, &p, &e);
	if (rc != RC_OK)
		answer_problem(s, rq, rc, e.text);
	else if (p.page.n > 0 || p.is_gap || p.page.is_more || rd.limit == 0 ||
	    timeout_s == 0 || request_is(rq, "HEAD"))
		pollpage_answer(s, rq, &rd, &p, EXTRA, false);
	else if (!hub_claim(s->hub, rq->client, &place))
		answer_degraded(s, rq, &rd, &p);
	else
		hold(s, rq, &rd, &p, timeout_s * 1000, place);
	reading_page_fini(&p);
	reading_fini(&rd);
}

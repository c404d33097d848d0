#include "transport/streaming.h"

#include "base/clock.h"
#include "transport/answer.h"
#include "wire/http.h"

/* X-Accel-Buffering: nginx, and hosts with one in front, pass it on at once. */
#define EXTRA \
	"Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n" \
	"X-Content-Type-Options: nosniff\r\n"

/* A stream without a place comes back so much later. */
#define DEGRADED_RETRY_MS 15000

static void
encode_piece(struct reading_page *p, const struct message *m)
{
	encode_message(&p->bytes, &p->how, m);
}

/* The body of a stream that ends at once. */
static void
answer_degraded(struct server *s, struct request *rq, struct reading_page *p)
{
	struct buf body;

	atomic_fetch_add_explicit(&s->count.degraded, 1, memory_order_relaxed);
	buf_init(&body, 0);
	encode_opening(&body, &p->how, p->after,
	    clock_jitter_ms(DEGRADED_RETRY_MS), p->is_gap);
	buf_add_slice(&body, buf_slice(&p->bytes));
	if (p->page.reached > p->after)
		encode_heartbeat(&body, &p->how, p->page.reached);
	encode_ending(&body, &p->how, 0);
	if (body.rc != RC_OK)
		answer_problem(s, rq, RC_NOMEM, "out of memory");
	else
		answer_send(s, rq, 200, form_content_type(p->how.form), EXTRA,
		    buf_slice(&body));
	buf_fini(&body);
}

static uint64_t
hold_ms(const struct server *s)
{
	uint64_t most = s->options->max_hold_ms;

	return most - clock_random() % (most / 10 + 1);
}

void
streaming_serve(
    struct server *s, struct request *rq, struct reading *rd, enum form form)
{
	struct reading_page p = {
	    .encode = encode_piece,
	    .how = {.form = form, .callback = rd->callback},
	};
	struct hub_reader spec = {.how = {.form = form}, .hold_ms = hold_ms(s)};
	bool has_place = !request_is(rq, "HEAD") &&
	    s->options->streams == OPTIONS_ON &&
	    hub_claim(s->hub, rq->client, &spec.place);
	struct err e;
	enum rc rc;

	p.how.epoch = log_epoch(store_log(s->store));
	rc = has_place ? reading_start(rd, s, &p, &e)
	               : reading_run(rd, s, &p, &e);
	if (rc != RC_OK) {
		if (has_place)
			hub_unclaim(s->hub, spec.place);
		answer_problem(s, rq, rc, e.text);
	} else if (!has_place) {
		answer_degraded(s, rq, &p);
	} else {
		spec.is_now = rd->from == READING_NOW;
		spec.after = p.after;
		spec.has_gap = p.is_gap;
		reading_hold(
		    s, rq, rd, &p, &spec, form_content_type(form), EXTRA);
	}
	reading_page_fini(&p);
}

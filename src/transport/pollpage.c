#include "transport/pollpage.h"

#include "transport/answer.h"

void
pollpage_encode(struct reading_page *p, const struct message *m)
{
	encode_poll_message(&p->bytes, &p->answer, m);
}

const char *
pollpage_type(const struct reading *rd)
{
	return rd->callback.p != NULL ? CALLBACK_CONTENT_TYPE
	                              : form_content_type(FORM_OBJECT);
}

void
pollpage_answer(struct server *s, struct request *rq, const struct reading *rd,
    struct reading_page *p, const char *extra, bool is_degraded)
{
	struct poll_answer a;
	struct buf body;

	buf_init(&body, 0);
	encode_poll_begin(&body, &a, rd->callback, p->is_gap);
	buf_add_slice(&body, buf_slice(&p->bytes));
	encode_poll_end(&body, &a, p->page.reached, p->page.tip.epoch,
	    p->page.is_more, is_degraded);
	if (body.rc != RC_OK)
		answer_problem(s, rq, RC_NOMEM, "out of memory");
	else
		answer_send(
		    s, rq, 200, pollpage_type(rd), extra, buf_slice(&body));
	buf_fini(&body);
}

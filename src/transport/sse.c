/* Server-Sent Events (HTML Living Standard, 9.2; API.md, Read). */
#include "transport/technique.h"

#include "transport/answer.h"
#include "transport/streaming.h"

void
sse_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct slice format = params_get(&rq->params, "format");
	struct reading rd;
	struct err e;
	enum rc rc;

	(void)rest;
	rc = reading_parse(&rd, s, rq, READING_NOW, true, &e);
	rd.callback = (struct slice){0};
	if (rc != RC_OK)
		answer_problem(s, rq, rc, e.text);
	else if (format.n != 0 && !slice_is(format, SLICE("json")))
		answer_problem(s, rq, RC_BAD,
		    "format= takes json here, or "
		    "nothing for the plain data");
	else
		streaming_serve(
		    s, rq, &rd, format.n != 0 ? FORM_SSE_JSON : FORM_SSE);
	reading_fini(&rd);
}

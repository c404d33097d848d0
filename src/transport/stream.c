/* Streams: format=ndjson, and script streaming, Comet's forever frame, with
   format=script (API.md, Read). */
#include "transport/technique.h"

#include "transport/answer.h"
#include "transport/streaming.h"

void
stream_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct slice format = params_get(&rq->params, "format");
	bool is_script = slice_is(format, SLICE("script"));
	struct reading rd;
	struct err e;
	enum rc rc;

	(void)rest;
	rc = reading_parse(&rd, s, rq, READING_NOW, false, &e);
	if (!is_script)
		rd.callback = (struct slice){0};
	if (rc != RC_OK)
		answer_problem(s, rq, rc, e.text);
	else if (!is_script && format.n != 0 &&
	    !slice_is(format, SLICE("ndjson")))
		answer_problem(
		    s, rq, RC_BAD, "format= takes ndjson or script here");
	else
		streaming_serve(
		    s, rq, &rd, is_script ? FORM_SCRIPT : FORM_NDJSON);
	reading_fini(&rd);
}

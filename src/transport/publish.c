/* Publishing (API.md, Publish): the body becomes messages, the writer stores
   them, and on its thread, after the commit, the answer leaves. */
#include "transport/technique.h"

#include "base/cursor.h"
#include "transport/answer.h"
#include "transport/ratelimit.h"
#include "wire/encode.h"
#include "wire/envelope.h"
#include "wire/http.h"
#include "wire/json.h"

#include <stdlib.h>

/* A publish that waits for the writer. */
struct publishing {
	struct append append; /* first: what the writer gives back */
	struct server *server;
	struct request *rq;
	struct envelope env;
};

static void
publishing_free(struct publishing *p)
{
	envelope_fini(&p->env);
	free(p->append.result);
	free(p);
}

static void
add_result(struct buf *b, const struct publishing *p, size_t i)
{
	const struct appended *r = &p->append.result[i];

	buf_add_text(b, "{\"seq\":");
	buf_add_uint(b, r->seq);
	buf_add_text(b, ",\"cursor\":\"");
	cursor_add(b, r->seq, p->append.epoch);
	buf_add_text(b, "\",\"channel\":");
	json_add_string(b, p->env.message[i].channel, false);
	buf_add_text(b, r->is_duplicate ? ",\"duplicate\":true}" : "}");
}

/* True if something new was stored. */
static bool
has_new(const struct publishing *p)
{
	size_t i;

	for (i = 0; i < p->append.n; i++)
		if (!p->append.result[i].is_duplicate)
			return true;
	return false;
}

static void
answer_stored(struct publishing *p)
{
	struct buf body, extra;
	size_t i;

	buf_init(&body, 0);
	buf_init(&extra, 0);
	buf_add_text(&extra, "Cache-Control: no-store\r\n");
	if (p->env.is_array)
		buf_add_char(&body, '[');
	for (i = 0; i < p->append.n; i++) {
		if (i > 0)
			buf_add_char(&body, ',');
		add_result(&body, p, i);
	}
	if (p->env.is_array)
		buf_add_char(&body, ']');
	if (p->env.redirect.p != NULL) {
		buf_add_text(&extra, "Location: ");
		http_add_location(&extra, p->env.redirect);
		buf_add_text(&extra, "\r\n");
	}
	buf_add_char(&extra, 0);
	if (body.rc != RC_OK || extra.rc != RC_OK) /* stored all the same */
		answer_send(p->server, p->rq, 201, NULL, "", SLICE(""));
	else
		answer_send(p->server, p->rq,
		    p->env.redirect.p != NULL ? 303
		        : has_new(p)          ? 201
		                              : 200,
		    "application/json", extra.p, buf_slice(&body));
	buf_fini(&body);
	buf_fini(&extra);
}

/* On the writer's thread. */
static void
on_done(struct append *a, enum rc rc, const char *why)
{
	struct publishing *p = (struct publishing *)a;
	struct server *s = p->server;

	if (rc == RC_OK) {
		atomic_fetch_add_explicit(
		    &s->count.published, a->n, memory_order_relaxed);
		answer_stored(p);
	} else {
		answer_problem(s, p->rq, rc, why);
	}
	publishing_free(p);
	atomic_fetch_sub(&s->publishing, 1);
	if (s->is_single || atomic_load(&s->is_ending)) /* who waits
	                                                   for this? */
		bell_ring(&s->woken);
}

static enum rc
decode(struct publishing *p, struct slice channel, struct err *e)
{
	const struct options *o = p->server->options;
	struct request *rq = p->rq;
	struct envelope_limits limits = {o->message_bytes, o->batch_messages};
	struct envelope_source from = {
	    .content_type =
	        rq->content_type.n == 0 ? (struct slice){0} : rq->content_type,
	    .path_channel = channel.n == 0 ? (struct slice){0} : channel,
	    .query = &rq->params,
	};
	enum rc rc;

	rc = envelope_parse(&from, rq->body, rq->body_n, &limits, &p->env, e);
	if (rc != RC_OK)
		return rc;
	if (p->env.redirect.p != NULL &&
	    (rc = http_redirect_check(p->env.redirect, e)) != RC_OK)
		return rc;
	if (!ratelimit_take(p->server->ratelimit, rq->client, p->env.n))
		return err_set(e, RC_RATE,
		    "Too many messages from this "
		    "address: at most %llu a second (option publish-rate).",
		    (unsigned long long)o->publish_rate);
	p->append.message = p->env.message;
	p->append.n = p->env.n;
	p->append.bytes = p->env.bytes;
	p->append.done = on_done;
	p->append.result = calloc(p->env.n, sizeof *p->append.result);
	return p->append.result != NULL
	    ? RC_OK
	    : err_set(e, RC_NOMEM, "no memory for the answer");
}

void
publish_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct publishing *p = calloc(1, sizeof *p);
	struct err e;
	enum rc rc;

	if (p == NULL) {
		answer_problem(s, rq, RC_NOMEM, "out of memory");
		return;
	}
	p->server = s;
	p->rq = rq;
	rc = decode(p, rest, &e);
	if (rc == RC_OK) {
		atomic_fetch_add(&s->publishing, 1);
		rc = store_append(s->store, &p->append, &e);
		if (rc == RC_OK)
			return; /* on_done has it now */
		atomic_fetch_sub(&s->publishing, 1);
	}
	publishing_free(p);
	answer_problem(s, rq, rc, e.text);
}

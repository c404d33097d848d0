/* Bayeux as HTTP requests: long-polling, callback-polling. */
#include "transport/technique.h"

#include "base/diag.h"
#include "transport/answer.h"
#include "transport/bayeux.h"
#include "wire/http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define EXTRA "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
#define TICK_MS 3600000

/* What an exchange needs of its request. */
struct http {
	struct bayeux_exchange *x;
	struct request *rq;
	struct task task;
	bool is_new_browser;
	char cookie[BAYEUX_CLIENT_ID_BYTES]; /* if it is new */
	char browser[BAYEUX_BROWSER_BYTES];
};

/* ---- the browser ---- */

static void
note_browser(struct http *h, char mark, struct slice value)
{
	bayeux_mark_browser(h->browser, mark, value);
	h->x->browser = (struct slice){h->browser, sizeof h->browser};
}

static void
find_browser(struct http *h)
{
	struct slice value = bayeux_cookie(h->rq->cookie);

	if (value.n > 0)
		note_browser(h, 'c', value);
}

/* ---- rights ---- */

/* "https://a.example/x" has the origin "https://a.example". */
static struct slice
origin_of(struct slice url)
{
	size_t i, slashes = 0;

	for (i = 0; i < url.n; i++)
		if (url.p[i] == '/' && ++slashes == 3)
			break;
	return (struct slice){url.p, i};
}

/*
 * Any page can make a browser GET this, so for a publish the browser's word is
 * asked where it comes from: by Origin, by Referer, or else by Sec-Fetch-Site.
 * Over http a page can keep its browser from saying any of them
 * (referrerpolicy), so a browser that is silent is refused.  A POST was looked
 * at by the router.
 */
static const char *
refusal(struct server *s, const struct request *rq)
{
	bool is_cross, is_ours;

	if (s->options->bayeux_publish == OPTIONS_BAYEUX_OFF)
		return BAYEUX_NO_PUBLISH;
	if (request_is(rq, "POST"))
		return NULL;
	if (s->options->bayeux_publish == OPTIONS_BAYEUX_POST)
		return "Messages are not taken by GET here (option "
		       "bayeux-publish)";
	if (rq->origin.n > 0)
		is_ours =
		    server_allows_origin(s, rq->origin, rq->host, &is_cross);
	else if (rq->referer.n > 0)
		is_ours = server_allows_origin(
		    s, origin_of(rq->referer), rq->host, &is_cross);
	else if (rq->fetch_site.n > 0)
		is_ours = slice_is(rq->fetch_site, SLICE("same-origin")) ||
		    slice_is(rq->fetch_site, SLICE("none"));
	else
		is_ours = !slice_starts(rq->user_agent, SLICE("Mozilla/"));
	return is_ours ? NULL : "Pages of another origin may not publish here";
}

/* ---- answers ---- */

/* Sends body; takes x with what belongs to it. */
static void
answer(struct http *h, struct buf *body)
{
	struct bayeux_exchange *x = h->x;
	struct server *s = x->bayeux->server;
	char extra[256];

	snprintf(extra, sizeof extra, EXTRA "%s%.*s%s",
	    h->is_new_browser && x->has_handshake ? "Set-Cookie: " BAYEUX_COOKIE
	                                            "="
	                                          : "",
	    h->is_new_browser && x->has_handshake ? (int)sizeof h->cookie : 0,
	    h->cookie,
	    h->is_new_browser && x->has_handshake
	        ? "; Path=/; HttpOnly; SameSite=Lax\r\n"
	        : "");
	if (body->rc == RC_OK)
		answer_send(s, h->rq, 200,
		    x->callback.p == NULL ? "application/json"
		                          : CALLBACK_CONTENT_TYPE,
		    extra, buf_slice(body));
	else
		answer_problem(s, h->rq, RC_NOMEM, "out of memory");
	h->rq = NULL;
}

/* Without a connect all is said at once. */
static void
answer_replies(struct http *h)
{
	struct bayeux_exchange *x = h->x;

	bayeux_answer_end(&x->replies, &x->answer);
	answer(h, &x->replies);
	bayeux_exchange_free(x);
	free(h);
}

/* ---- connects ---- */

/* What a held connect needs of its request. */
struct held {
	struct outlet outlet;
	char *cors; /* header lines; NULL: none */
	char client[INET6_ADDRSTRLEN];
};

static void
held_free(struct held *h)
{
	free(h->cors);
	free(h);
}

static void
on_news(void *arg)
{
	bayeux_wait_look(arg);
}

static void
on_over(void *arg)
{
	bayeux_wait_over(arg);
}

static void
on_gone(void *arg)
{
	struct bayeux_wait *w = arg;

	held_free(w->owner);
	bayeux_wait_leave(w);
}

static void
on_tick(void *arg)
{
	(void)arg; /* hold_ms is all that counts */
}

static const struct hub_client listener = {
    .tick = on_tick,
    .gone = on_gone,
    .news = on_news,
    .over = on_over,
    .tick_ms = TICK_MS,
};

static bool
on_hold(struct bayeux_wait *w)
{
	struct held *h = w->owner;
	struct server *s = w->bayeux->server;
	uint64_t now_ms = uv_now(s->loop);
	struct hub_reader spec = {.outlet = h->outlet,
	    .is_now = true,
	    .is_silent = true,
	    .is_listener = true,
	    .how = {.form = FORM_OBJECT},
	    .hold_ms = w->until_ms > now_ms ? w->until_ms - now_ms : 1};
	struct err e;

	if (!hub_claim(s->hub, slice_of(h->client), &spec.place))
		return false;
	if (bayeux_session_patterns(&w->session, &spec.what, &e) != RC_OK) {
		hub_unclaim(s->hub, spec.place);
		return false;
	}
	if (hub_attach(s->hub, &spec, &listener, w, &w->reader, &e) == RC_OK)
		return true;
	diag(DIAG_WARN, "a connect couldn't be held: %s", e.text);
	return false;
}

static void
send_answer(struct server *s, struct held *h, bool is_call, struct slice body)
{
	struct buf content;

	buf_init(&content, 0);
	http_add_head(&content, 200,
	    is_call ? CALLBACK_CONTENT_TYPE : "application/json",
	    h->cors == NULL ? EXTRA : h->cors, body.n);
	buf_add_slice(&content, body);
	if (content.rc == RC_OK)
		answer_bytes(s, h->outlet, buf_slice(&content));
	else
		outlet_close(&h->outlet);
	buf_fini(&content);
}

static void
on_answered(struct bayeux_wait *w)
{
	struct held *h = w->owner;
	struct buf body;

	if (w->reader != NULL)
		hub_release(w->reader, &h->outlet);
	w->reader = NULL;
	buf_init(&body, 0);
	bayeux_wait_compose(w, &body);
	if (body.rc == RC_OK)
		send_answer(w->bayeux->server, h, w->callback.p != NULL,
		    buf_slice(&body));
	else
		outlet_close(&h->outlet); /* it comes back, to its cursor */
	buf_fini(&body);
	held_free(h);
	bayeux_wait_free(w);
}

/* Of the request; NULL: no memory. */
static struct held *
held_new(const struct request *rq)
{
	struct held *h = calloc(1, sizeof *h);
	struct buf lines;
	size_t n;

	if (h == NULL)
		return NULL;
	h->outlet = rq->outlet;
	if (rq->client.n < sizeof h->client)
		memcpy(h->client, rq->client.p, rq->client.n);
	if (!rq->is_cross)
		return h;
	buf_init(&lines, 0);
	buf_add_text(&lines, EXTRA);
	answer_add_cors(&lines, rq);
	buf_add_char(&lines, 0);
	if (lines.rc == RC_OK)
		h->cors = buf_take(&lines, &n);
	buf_fini(&lines);
	return h;
}

static void
run_wait(struct server *s, struct task *t)
{
	struct http *h =
	    (struct http *)((char *)t - offsetof(struct http, task));
	struct held *held = held_new(h->rq);
	bool is_shared = slice_starts(h->rq->protocol, SLICE("HTTP/1"));
	struct bayeux_wait *w = held == NULL ? NULL : bayeux_wait_new(h->x);

	if (w == NULL) {
		answer_problem(s, h->rq, RC_NOMEM, "out of memory");
		bayeux_exchange_free(h->x);
		if (held != NULL)
			held_free(held);
		free(h);
		return;
	}
	request_free(h->rq);
	free(h);
	w->owner = held;
	w->hold = on_hold;
	w->answered = on_answered;
	if (is_shared)
		bayeux_wait_share(w);
	bayeux_wait_look(w);
}

/* ---- the request ---- */

static void
on_done(struct bayeux_exchange *x)
{
	struct http *h = x->owner;

	if (!x->has_connect) {
		answer_replies(h);
		return;
	}
	h->task.run = run_wait;
	server_post(x->bayeux->server, &h->task);
}

/* The messages: a body of JSON, or fields of a form or of the query. */
static enum rc
find_messages(struct http *h, struct err *e)
{
	struct bayeux_exchange *x = h->x;
	struct request *rq = h->rq;
	enum rc rc;

	if (x->type == BAYEUX_CALLBACK_POLLING) {
		x->fields = &rq->params;
		return bayeux_callback(&rq->params, &x->callback, e);
	}
	if (http_is_type(
	        rq->content_type, "application/x-www-form-urlencoded")) {
		x->fields = &rq->params; /* the body's take the query's place */
		if ((rc = query_parse(rq->body, rq->body_n, &rq->params, e)))
			return rc;
		return RC_OK;
	}
	x->text = rq->body;
	x->text_n = rq->body_n;
	rq->body = NULL;
	rq->body_n = 0;
	return RC_OK;
}

void
bayeux_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct bayeux_exchange *x = bayeux_exchange_new(s->bayeux);
	struct http *h = calloc(1, sizeof *h);
	struct err e = {RC_NOMEM, "out of memory"};
	enum rc rc = RC_NOMEM;

	(void)rest;
	if (h != NULL && x != NULL) {
		h->x = x;
		h->rq = rq;
		x->owner = h;
		x->done = on_done;
		x->type = request_is(rq, "POST") ? BAYEUX_LONG_POLLING
		                                 : BAYEUX_CALLBACK_POLLING;
		x->client = rq->client;
		x->publish_refusal = refusal(s, rq);
		find_browser(h);
		rc = find_messages(h, &e);
		if (rc == RC_OK && x->browser.n == 0 &&
		    (rc = bayeux_draw_cookie(h->cookie, &e)) == RC_OK) {
			h->is_new_browser = true;
			note_browser(h, 's',
			    (struct slice){h->cookie, sizeof h->cookie});
		}
		if (rc == RC_OK)
			rc = bayeux_exchange_read(x, &e);
	}
	if (rc == RC_OK) {
		bayeux_exchange_run(x);
		return;
	}
	answer_problem(s, rq, rc, e.text);
	bayeux_exchange_free(x);
	free(h);
}

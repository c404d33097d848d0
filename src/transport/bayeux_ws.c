#include "transport/bayeux_ws.h"

#include "transport/bayeux.h"
#include "wire/wsframe.h"

#include <stdlib.h>

/* What an exchange needs of its connection. */
struct talk {
	struct bayeux_exchange *x;
	struct ws_connection *c; /* held */
	struct task task;
};

/* ---- what is said ---- */

static void
say(struct ws_connection *c, const struct buf *text)
{
	struct buf frame;

	if (c->reader == NULL)
		return;
	buf_init(&frame, 0);
	if (text->rc == RC_OK)
		wsframe_add(&frame, WS_TEXT, buf_slice(text));
	else
		frame.rc = text->rc;
	ws_say(c, &frame);
}

/* A text that could not be read: no message of it can be answered. */
static void
say_unreadable(struct ws_connection *c, enum rc rc, const char *why)
{
	struct bayeux_message m = {.kind = BAYEUX_UNKNOWN_META};
	struct bayeux_reply reply;
	struct bayeux_answer a;
	struct buf text;

	bayeux_fail_rc(&m.error, rc, (struct slice){0}, why);
	reply = bayeux_reply_to(&m);
	buf_init(&text, 0);
	bayeux_answer_begin(&text, &a, (struct slice){0});
	bayeux_answer_next(&text, &a);
	bayeux_add_reply(&text, &reply, false);
	bayeux_answer_end(&text, &a);
	say(c, &text);
	buf_fini(&text);
}

/* ---- a connect that is held ---- */

static bool
on_hold(struct bayeux_wait *w)
{
	struct ws_connection *c = w->owner;
	struct pattern_set what;
	struct err e;

	c->wait = NULL; /* it may be the end of the connection */
	if (bayeux_session_patterns(&w->session, &what, &e) != RC_OK ||
	    hub_listen(c->reader, &what, &e) != RC_OK) {
		if (c->reader == NULL)
			w->is_left = true;
		c->wait = c->reader == NULL ? NULL : w;
		return c->reader == NULL;
	}
	c->wait = w;
	hub_set_over(c->reader, w->is_standing ? UINT64_MAX : w->until_ms);
	w->reader = c->reader;
	return true;
}

/* One event, in the bytes that all sessions share. */
static bool
push(struct bayeux_wait *w, struct entry *en, const struct message *m)
{
	struct ws_connection *c = w->owner;
	struct encode how = {.form = w->session.row.has_replay
	        ? FORM_BAYEUX_REPLAY
	        : FORM_BAYEUX};
	struct slice frame;

	(void)m;
	if (c->last != NULL)
		return false; /* it is leaving */
	if (!hub_is_flowing(c->reader)) {
		hub_await_border(c->reader);
		return false;
	}
	if (hub_encoded(c->ws->server->hub, en, &how, &frame) != RC_OK)
		return false;
	hub_say(c->reader, frame);
	return !w->is_left;
}

/* After the connect was answered events come all the same, until its client
   connects again, or something is to be told that only a connect can. */
static void
stand(struct bayeux_wait *w)
{
	struct ws_connection *c = w->owner;

	bayeux_wait_stand(w);
	c->wait = w;
	hub_set_over(c->reader, UINT64_MAX);
	bayeux_wait_look(w);
}

static void
end_wait(struct bayeux_wait *w)
{
	struct ws_connection *c = w->owner;

	if (c->wait == w)
		c->wait = NULL;
	bayeux_wait_free(w);
}

static void
on_answered(struct bayeux_wait *w)
{
	struct ws_connection *c = w->owner;
	bool is_going_on = w->push != NULL && !w->is_left;
	struct buf text;

	if (w->is_standing &&
	    (w->n == 0 || w->is_gap || bayeux_wait_is_outdated(w))) {
		end_wait(w);
		return;
	}
	buf_init(&text, 0);
	if (w->is_standing)
		bayeux_wait_compose_events(w, &text);
	else
		bayeux_wait_compose(w, &text);
	is_going_on =
	    is_going_on && text.rc == RC_OK && !bayeux_wait_is_outdated(w);
	if (c->wait == w) /* saying it may be the end of the connection */
		c->wait = NULL;
	say(c, &text);
	buf_fini(&text);
	if (is_going_on && c->reader != NULL && c->wait == NULL &&
	    !w->is_replaced)
		stand(w);
	else
		bayeux_wait_free(w);
}

static void
start_wait(struct ws_connection *c, struct bayeux_exchange *x)
{
	bool has_ack = x->session.row.has_ack;
	struct bayeux_wait *before = c->wait;
	struct bayeux_wait *w = bayeux_wait_new(x);

	if (w == NULL) {
		bayeux_exchange_free(x);
		ws_leave(c, WS_INTERNAL_ERROR, "out of memory");
		return;
	}
	w->owner = c;
	w->hold = on_hold;
	w->answered = on_answered;
	w->push = has_ack ? NULL : push;
	if (before != NULL) { /* its session's, or another's: it is over */
		before->is_replaced = true;
		if (before->page != NULL) /* it would outlive the connection */
			bayeux_wait_leave(before);
		else
			bayeux_wait_over(before);
	}
	if (c->reader == NULL) {
		bayeux_wait_leave(w);
		return;
	}
	c->wait = w;
	bayeux_wait_look(w);
}

void
bayeux_ws_leave(struct ws_connection *c)
{
	struct bayeux_wait *w = c->wait;

	c->wait = NULL;
	if (w != NULL)
		bayeux_wait_leave(w);
}

void
bayeux_ws_news(void *connection)
{
	struct ws_connection *c = connection;

	ws_hold(c);
	if (c->wait != NULL)
		bayeux_wait_look(c->wait);
	ws_unhold(c);
}

void
bayeux_ws_over(void *connection)
{
	struct ws_connection *c = connection;

	ws_hold(c);
	hub_set_over(c->reader, UINT64_MAX);
	if (c->wait != NULL)
		bayeux_wait_over(c->wait);
	ws_unhold(c);
}

/* ---- exchanges ---- */

static void
finish(struct server *s, struct task *t)
{
	struct talk *talk =
	    (struct talk *)((char *)t - offsetof(struct talk, task));
	struct bayeux_exchange *x = talk->x;
	struct ws_connection *c = talk->c;

	(void)s;
	free(talk);
	c->exchange = NULL;
	if (c->reader == NULL) {
		bayeux_exchange_free(x);
		ws_unhold(c);
		return;
	}
	if (x->has_replies || !x->has_connect) {
		bayeux_answer_end(&x->replies, &x->answer);
		say(c, &x->replies);
		buf_clear(&x->replies);
		bayeux_answer_begin(&x->replies, &x->answer, x->callback);
		x->has_replies = false; /* so that the connect may wait */
	}
	if (!x->has_connect || c->reader == NULL)
		bayeux_exchange_free(x);
	else
		start_wait(c, x);
	if (c->reader != NULL)
		ws_proceed(c);
	ws_unhold(c);
}

static void
on_done(struct bayeux_exchange *x)
{
	struct talk *talk = x->owner;

	talk->task.run = finish;
	server_post(x->bayeux->server, &talk->task);
}

static struct bayeux_exchange *
make(struct ws_connection *c, const char *text, size_t n)
{
	struct bayeux_exchange *x = bayeux_exchange_new(c->ws->server->bayeux);

	if (x == NULL)
		return NULL;
	x->type = BAYEUX_WEBSOCKET;
	x->client = slice_of(c->client == NULL ? "" : c->client);
	if (c->browser[0] != 0)
		x->browser = (struct slice){c->browser, sizeof c->browser};
	if (c->ws->server->options->bayeux_publish == OPTIONS_BAYEUX_OFF)
		x->publish_refusal = BAYEUX_NO_PUBLISH;
	else if (c->ws->server->options->ws_publish == OPTIONS_OFF)
		x->publish_refusal = "Messages are not taken over WebSockets "
		                     "here (option ws-publish)";
	x->text = malloc(n + 1);
	if (x->text == NULL) {
		bayeux_exchange_free(x);
		return NULL;
	}
	memcpy(x->text, text, n);
	x->text_n = n;
	x->done = on_done;
	return x;
}

void
bayeux_ws_run(struct ws_connection *c, const char *text, size_t n)
{
	struct bayeux_exchange *x = make(c, text, n);
	struct talk *talk = calloc(1, sizeof *talk);
	struct err e = {RC_NOMEM, "out of memory"};
	enum rc rc =
	    x == NULL || talk == NULL ? RC_NOMEM : bayeux_exchange_read(x, &e);

	if (rc != RC_OK) {
		bayeux_exchange_free(x);
		free(talk);
		say_unreadable(c, rc, e.text);
		return;
	}
	talk->x = x;
	talk->c = c;
	x->owner = talk;
	c->exchange = x;
	ws_hold(c);
	bayeux_exchange_start(x);
}

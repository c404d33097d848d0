#include "transport/wspublish.h"

#include "transport/ratelimit.h"

#include <stdlib.h>

/* Of one append: far below the least queue-bytes. */
#define BATCH_MESSAGES 64
#define BATCH_BYTES ((size_t)256 * 1024)

struct ws_batch {
	struct append append; /* first: what the writer gives back */
	struct task task;
	struct ws_connection *connection;
	struct server *server;
	struct message message[BATCH_MESSAGES];
	struct appended result[BATCH_MESSAGES];
	struct slice ref[BATCH_MESSAGES];
	char *text[BATCH_MESSAGES]; /* what the slices point into */
	size_t n;
	struct buf answer;
};

static void
batch_free(struct ws_batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		free(b->text[i]);
	buf_fini(&b->answer);
	free(b);
}

static enum rc
add_copy(struct ws_batch *b, const struct wsop *op, struct err *e)
{
	const struct message *m = &op->message;
	size_t n = m->channel.n + m->event.n + m->id.n + m->data.n;
	char *to = malloc(n + op->ref.n + 1);
	struct message *mine = &b->message[b->n];

	if (to == NULL)
		return err_set(e, RC_NOMEM, "no memory for the message");
	b->text[b->n] = to;
	*mine = *m;
	mine->channel = slice_copy(&to, m->channel);
	mine->event = slice_copy(&to, m->event);
	mine->id = slice_copy(&to, m->id);
	mine->data = slice_copy(&to, m->data);
	b->ref[b->n++] = slice_copy(&to, op->ref);
	b->append.bytes += n;
	return RC_OK;
}

enum rc
wspublish_add(struct ws_connection *c, const struct wsop *op, struct err *e)
{
	struct server *s = c->ws->server;
	struct ws_batch *b;
	enum rc rc;

	if (!ratelimit_take(s->ratelimit, slice_of(c->client), 1))
		return err_set(e, RC_RATE,
		    "Too many messages from this "
		    "address: at most %llu a second (option publish-rate).",
		    (unsigned long long)s->options->publish_rate);
	if (c->batch == NULL) {
		if ((b = malloc(sizeof *b)) == NULL)
			return err_set(
			    e, RC_NOMEM, "no memory for the message");
		b->append =
		    (struct append){.message = b->message, .result = b->result};
		b->connection = c;
		b->server = s;
		b->n = 0;
		buf_init(&b->answer, 0);
		c->batch = b;
	}
	rc = add_copy(c->batch, op, e);
	if (rc != RC_OK)
		return rc;
	c->publishing++;
	if (c->batch->n == BATCH_MESSAGES ||
	    c->batch->append.bytes >= BATCH_BYTES)
		wspublish_flush(c);
	return RC_OK;
}

/* On the loop: the answers leave. */
static void
on_answered(struct server *s, struct task *t)
{
	struct ws_batch *b =
	    (struct ws_batch *)((char *)t - offsetof(struct ws_batch, task));
	struct ws_connection *c = b->connection;

	atomic_fetch_sub(&s->publishing, 1);
	c->publishing -= (uint32_t)b->n;
	if (c->reader != NULL && b->answer.rc == RC_OK)
		hub_say(c->reader, buf_slice(&b->answer));
	else if (c->reader != NULL) /* stored, but there is
	                               no memory to say it */
		ws_leave(c, WS_INTERNAL_ERROR, "out of memory");
	batch_free(b);
	ws_proceed(c);
	ws_unhold(c);
}

static void
add_answers(struct ws_batch *b, enum rc rc, const char *why)
{
	unsigned retry_s = ws_retry_s(rc_http_status(rc));
	size_t i;

	for (i = 0; i < b->n; i++)
		if (rc == RC_OK)
			wsop_add_published(&b->answer, b->ref[i],
			    b->message[i].channel, b->result[i].seq,
			    b->append.epoch, b->result[i].is_duplicate);
		else
			wsop_add_error(&b->answer, b->ref[i], rc, why, retry_s);
}

/* On the writer's thread. */
static void
on_done(struct append *a, enum rc rc, const char *why)
{
	struct ws_batch *b = (struct ws_batch *)a;

	if (rc == RC_OK)
		atomic_fetch_add_explicit(
		    &b->server->count.published, a->n, memory_order_relaxed);
	add_answers(b, rc, why);
	b->task.run = on_answered;
	server_post(b->server, &b->task);
}

void
wspublish_flush(struct ws_connection *c)
{
	struct ws_batch *b = c->batch;
	struct err e;
	enum rc rc;

	if (b == NULL)
		return;
	c->batch = NULL;
	b->append.n = b->n;
	b->append.done = on_done;
	ws_hold(c);
	atomic_fetch_add(&b->server->publishing, 1);
	rc = store_append(b->server->store, &b->append, &e);
	if (rc == RC_OK)
		return;
	add_answers(b, rc, e.text);
	b->task.run = on_answered;
	server_post(b->server, &b->task);
}

void
wspublish_drop(struct ws_connection *c)
{
	if (c->batch == NULL)
		return;
	c->publishing -= (uint32_t)c->batch->n;
	batch_free(c->batch);
	c->batch = NULL;
}

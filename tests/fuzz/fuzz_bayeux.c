/*
 * Any bytes as what a Bayeux client sends, as JSON or, behind a first byte 'f',
 * as a form; what was read is then answered: what comes in is checked, what
 * goes out is one array of valid JSON, in a script, too.
 */
#include "base/channel.h"
#include "base/utf8.h"
#include "wire/bayeux.h"
#include "wire/json.h"

#include <stdint.h>
#include <stdlib.h>

#define CHECK(x) ((x) ? (void)0 : abort())

#define MOST_MESSAGES 20
#define MOST_SUBSCRIPTIONS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The answer, as JSON and for a script. */
struct answer {
	struct bayeux_answer state;
	struct buf b;
	bool for_script;
};

static void
begin(struct answer *a, bool for_script)
{
	a->for_script = for_script;
	buf_init(&a->b, 0);
	bayeux_answer_begin(&a->b, &a->state, (struct slice){NULL, 0});
}

static void
end(struct answer *a)
{
	bayeux_answer_end(&a->b, &a->state);
	CHECK(a->b.rc == RC_OK);
	CHECK(!a->for_script || memchr(a->b.p, '<', a->b.n) == NULL);
	CHECK(json_compact(a->b.p, &a->b.n, NULL) == RC_OK);
	CHECK(a->b.p[0] == '[');
	buf_fini(&a->b);
}

static void
check_subscription(
    const struct bayeux_message *m, const struct bayeux_subscription *s)
{
	CHECK(s->written.p != NULL && utf8_is_valid(s->written));
	if (m->error.code != 0)
		return;
	CHECK(pattern_check(s->pattern, NULL) == RC_OK);
	CHECK(bayeux_is_event(s->pattern));
	CHECK(s->since.seq <= INT64_MAX);
}

static void
check_published(const struct bayeux_message *m)
{
	const struct message *p = &m->publish;

	CHECK(m->channel.p != NULL && m->channel.p[0] == '/');
	CHECK(channel_check(p->channel, NULL) == RC_OK);
	CHECK(p->channel.p[0] != '$' && p->data.p != NULL);
	CHECK(utf8_is_valid(p->data) && p->data.n <= 1000);
	CHECK(bayeux_is_event(p->channel));
}

static void
check_error(const struct bayeux_error *error)
{
	size_t n = strlen(error->text);

	CHECK(error->code >= 300 && error->code < 600);
	CHECK(n > 5 && n < sizeof error->text);
	CHECK(error->text[3] == ':' && strchr(error->text + 4, ':') != NULL);
}

static void
check_read(const struct bayeux_message *m)
{
	CHECK(m->id.n <= BAYEUX_ID_MAX_BYTES);
	CHECK(m->channel.n <= CHANNEL_MAX_BYTES + 1);
	CHECK(m->ack < UINT64_C(1) << 53);
	CHECK(m->subscriptions <= MOST_SUBSCRIPTIONS);
	for (size_t i = 0; i < m->subscriptions; i++)
		check_subscription(m, &m->subscription[i]);
	if (m->error.code != 0)
		check_error(&m->error);
	else if (m->kind == BAYEUX_PUBLISH || m->kind == BAYEUX_SERVICE)
		check_published(m);
	else if (m->kind != BAYEUX_HANDSHAKE)
		CHECK(m->client_id.p != NULL);
}

/* With each ext in turn; published, it is an event in both forms. */
static void
add_answers(struct answer *a, const struct bayeux_message *m)
{
	struct bayeux_advice advice = {.max_interval_ms = 1};
	struct bayeux_reply reply = bayeux_reply_to(m);

	reply.client_id = m->client_id;
	reply.advice = &advice;
	reply.connection_types = m->connection_types;
	reply.has_ack = m->has_ack;
	reply.ack = m->ack;
	reply.is_gap = m->is_list;
	bayeux_answer_next(&a->b, &a->state);
	bayeux_add_reply(&a->b, &reply, a->for_script);
	if (m->publish.data.p == NULL)
		return;
	bayeux_answer_next(&a->b, &a->state);
	bayeux_add_result(&a->b, m, &m->publish, a->for_script);
	if (m->error.code != 0)
		return;
	for (int with_replay = 0; with_replay < 2; with_replay++) {
		bayeux_answer_next(&a->b, &a->state);
		bayeux_add_event(
		    &a->b, &m->publish, with_replay != 0, a->for_script);
	}
}

static void
read_all(struct bayeux_reading *r, size_t count)
{
	struct answer plain, script;
	struct bayeux_message m;

	CHECK(count <= MOST_MESSAGES);
	begin(&plain, false);
	begin(&script, true);
	for (; bayeux_next(r, &m); count--) {
		CHECK(count > 0);
		check_read(&m);
		add_answers(&plain, &m);
		add_answers(&script, &m);
	}
	CHECK(count == 0);
	end(&plain);
	end(&script);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bayeux_subscription room[MOST_SUBSCRIPTIONS];
	struct bayeux_limits limits = {
	    .envelope = {.message_bytes = 1000, .messages = MOST_MESSAGES},
	    .subscription = room,
	    .subscriptions = MOST_SUBSCRIPTIONS};
	struct err err = {.rc = RC_OK};
	bool is_form = size > 0 && data[0] == 'f';
	struct bayeux_reading r;
	struct params fields;
	size_t count;
	char *text = malloc(size + 1);
	enum rc rc = RC_OK;

	CHECK(text != NULL);
	size -= is_form;
	if (size > 0)
		memcpy(text, data + is_form, size);
	if (is_form)
		rc = query_parse(text, size, &fields, &err);
	if (rc == RC_OK && is_form)
		rc = bayeux_read_fields(&r, &fields, &limits, &count, &err);
	else if (rc == RC_OK)
		rc = bayeux_read(&r, text, size, &limits, &count, &err);
	if (rc == RC_OK)
		read_all(&r, count);
	else
		CHECK(err.rc == rc && err.text[0] != 0);
	free(text);
	return 0;
}

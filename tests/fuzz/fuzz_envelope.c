/*
 * Any bytes as what a publisher sends.  Input: a byte that chooses the content
 * type, a byte of flags, then the body.  Whatever passes is good for the log;
 * whatever does not leaves nothing behind and says why.
 */
#include "base/channel.h"
#include "base/utf8.h"
#include "wire/envelope.h"
#include "wire/json.h"

#include <stdint.h>
#include <stdlib.h>

#define HAS_PATH 1
#define HAS_QUERY 2
#define IS_SMALL 4
#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"application/json", "application/x-ndjson",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=XX",
    "text/plain", "text/plain; charset=\"utf-8\"", "application/xml", NULL};

static void
check_label(struct slice label)
{
	if (label.p == NULL) {
		CHECK(label.n == 0);
		return;
	}
	CHECK(label.n > 0 && label.n <= 255);
	CHECK(utf8_before_control(label) == label.n);
}

static void
check_is_compact(struct slice text)
{
	char *p = malloc(text.n);
	size_t n = text.n;

	CHECK(p != NULL);
	memcpy(p, text.p, n);
	CHECK(json_compact(p, &n, NULL) == RC_OK && n == text.n);
	CHECK(p[0] != '"');
	free(p);
}

static void
check_message(const struct message *m, const struct envelope_limits *limits)
{
	CHECK(channel_check(m->channel, NULL) == RC_OK);
	CHECK(m->channel.p[0] != '$');
	check_label(m->event);
	check_label(m->id);
	CHECK(m->data.p != NULL && m->data.n <= limits->message_bytes);
	CHECK(utf8_is_valid(m->data));
	if (m->is_json)
		check_is_compact(m->data);
}

static void
check_envelope(const struct envelope *env, const struct envelope_limits *limits)
{
	size_t bytes = 0;

	CHECK(env->n >= 1 && env->n <= limits->messages);
	CHECK(env->n == 1 || env->is_array);
	for (size_t i = 0; i < env->n; i++) {
		const struct message *m = &env->message[i];

		check_message(m, limits);
		bytes += m->channel.n + m->event.n + m->id.n + m->data.n;
	}
	CHECK(bytes == env->bytes);
}

static void
check_failure(enum rc rc, const struct envelope *env, const struct err *e)
{
	CHECK(rc == RC_BAD || rc == RC_DENIED || rc == RC_TOO_LARGE ||
	    rc == RC_MEDIA);
	CHECK(e->rc == rc && e->text[0] != 0);
	CHECK(env->message == NULL && env->n == 0 && env->redirect.p == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char query_text[] = "channel=q&event=qe&id=qi", *body;
	struct params query = {.n = 0};
	struct envelope_source from = {.query = &query};
	struct envelope_limits limits = {4096, 8};
	struct envelope env;
	struct err e = {0};
	enum rc rc;

	if (size < 2)
		return 0;
	from.content_type = slice_of(types[data[0] % 8]);
	if (data[1] & HAS_PATH)
		from.path_channel = SLICE("p/a");
	if (data[1] & HAS_QUERY)
		CHECK(query_parse(query_text, sizeof query_text - 1, &query,
		          NULL) == RC_OK);
	if (data[1] & IS_SMALL)
		limits = (struct envelope_limits){8, 2};
	size -= 2;
	body = malloc(size + (size == 0));
	CHECK(body != NULL);
	memcpy(body, data + 2, size);
	rc = envelope_parse(&from, body, size, &limits, &env, &e);
	if (rc == RC_OK)
		check_envelope(&env, &limits);
	else
		check_failure(rc, &env, &e);
	envelope_fini(&env);
	free(body);
	return 0;
}

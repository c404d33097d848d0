/*
 * Any bytes as what a client says on a WebSocket, and as a reference, a name
 * and data in what the server says: what comes in is checked, what goes out is
 * one text frame of valid JSON.
 */
#include "base/channel.h"
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/wsframe.h"
#include "wire/wsop.h"

#include <stdint.h>
#include <stdlib.h>

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct deflater *deflater;
static struct inflater *inflater;

/* The payload of the one frame that b holds, checked to be JSON; ends b. */
static void
check_frame(struct buf *b)
{
	char head[WSFRAME_HEAD_MAX_BYTES];
	struct buf text;
	size_t n, head_n;
	bool is_deflated;

	CHECK(b->rc == RC_OK && b->n >= 2);
	head_n = b->p[1] == 127 ? 10 : b->p[1] == 126 ? 4 : 2;
	is_deflated = ((unsigned char)b->p[0] & 0x40) != 0;
	n = wsframe_put_head(head, WS_TEXT, is_deflated, b->n - head_n);
	CHECK(n == head_n && memcmp(head, b->p, n) == 0);
	buf_init(&text, 0);
	if (is_deflated)
		CHECK(inflater_add(inflater, &text,
		          slice_after(buf_slice(b), n), NULL) == RC_OK);
	else
		buf_add(&text, b->p + n, b->n - n);
	CHECK(json_compact(text.p, &text.n, NULL) == RC_OK);
	CHECK(text.p[0] == '{');
	buf_fini(&text);
	buf_fini(b);
}

static void
check_answers(const struct wsop *op, enum rc rc, const char *why)
{
	struct buf b;

	buf_init(&b, 0);
	wsop_add_ok(&b, op->ref, 1, 2);
	check_frame(&b);
	wsop_add_pong(&b, op->ref);
	check_frame(&b);
	wsop_add_error(&b, op->ref, rc == RC_OK ? RC_BUSY : rc, why, 3);
	check_frame(&b);
	if (rc != RC_OK || op->channel.p == NULL)
		return;
	wsop_add_published(&b, op->ref, op->channel, 1, 2, true);
	check_frame(&b);
	wsop_add_gap(&b, op->channel, 1, 2);
	check_frame(&b);
}

static void
check_published(const struct message *m, size_t most)
{
	struct buf b, plain;

	CHECK(channel_check(m->channel, NULL) == RC_OK);
	CHECK(m->channel.p[0] != '$' && m->data.p != NULL);
	CHECK(m->data.n <= most && utf8_is_valid(m->data));
	buf_init(&b, 0);
	buf_init(&plain, 0);
	wsop_add_message(&b, m, deflater, 15);
	wsop_add_message(&plain, m, NULL, 15);
	CHECK(b.n <= plain.n);
	check_frame(&b);
	check_frame(&plain);
}

static void
check_parsed(const struct wsop *op, size_t most)
{
	switch (op->kind) {
	case WSOP_SUBSCRIBE:
	case WSOP_UNSUBSCRIBE:
		CHECK(pattern_check(op->channel, NULL) == RC_OK);
		break;
	case WSOP_PUBLISH:
		check_published(&op->message, most);
		break;
	case WSOP_PING:
		CHECK(op->channel.p == NULL);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_limits limits = {.message_bytes = 1000, .messages = 1};
	struct err err = {.rc = RC_OK};
	struct wsop op;
	char *text = malloc(size + 1);
	enum rc rc;

	if (deflater == NULL)
		CHECK(deflater_new(&deflater, 15, NULL) == RC_OK &&
		    inflater_new(&inflater, NULL) == RC_OK);
	CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	rc = wsop_parse(text, size, &limits, &op, &err);
	CHECK(
	    op.ref.p == NULL ? op.ref.n == 0 : op.ref.n > 0 && op.ref.n <= 256);
	if (rc == RC_OK)
		check_parsed(&op, limits.message_bytes);
	else
		CHECK(err.rc == rc && err.text[0] != 0);
	check_answers(&op, rc, rc == RC_OK ? "" : err.text);
	free(text);
	return 0;
}

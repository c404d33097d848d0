/*
 * Any bytes as a WebSocket's opening handshake.  Input: a byte of flags, then
 * the request.  What passes can be answered, and lies within the request; what
 * does not has a status and says why.
 */
#include "wire/wsopen.h"

#include <stdint.h>
#include <stdlib.h>

#define CAN_DEFLATE 1
#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* s is absent or lies within the head. */
static void
check_within(struct slice s, const char *head, size_t n)
{
	CHECK(s.p == NULL ? s.n == 0
	                  : s.p >= head && s.n <= n && s.p + s.n <= head + n);
}

static void
check_opened(
    const struct wsopen *o, const char *head, size_t n, bool can_deflate)
{
	check_within(o->path, head, n);
	check_within((struct slice){o->query, o->query_n}, head, n);
	check_within(o->host, head, n);
	check_within(o->origin, head, n);
	check_within(o->client, head, n);
	check_within(o->key, head, n);
	CHECK(o->path.p != NULL && o->path.n > 0 && o->path.p[0] == '/');
	CHECK(o->query != NULL && o->host.n > 0 && o->key.n == 24);
	CHECK(can_deflate || !o->has_deflate);
	CHECK(!o->has_deflate || (o->window_bits >= 8 && o->window_bits <= 15));
	CHECK(o->has_deflate || !o->is_window_asked);
}

/* An answer is one head, which nothing of the request can break. */
static void
check_answer(const struct buf *b, bool has_body)
{
	size_t n = wsopen_head_bytes(buf_slice(b), 0);

	CHECK(b->rc == RC_OK && n > 0 && (has_body || n == b->n));
	for (size_t i = 0; i < n; i++)
		CHECK((b->p[i] >= ' ' && b->p[i] < 0x7f) || b->p[i] == '\r' ||
		    b->p[i] == '\n');
}

/* Looking again at what is new finds the same end. */
static void
check_head_bytes(struct slice bytes)
{
	size_t whole = wsopen_head_bytes(bytes, 0), found = 0, from = 0;

	for (size_t n = 0; n <= bytes.n && found == 0; n += 1 + n / 3) {
		found = wsopen_head_bytes((struct slice){bytes.p, n}, from);
		from = n;
	}
	if (found == 0)
		found = wsopen_head_bytes(bytes, from);
	CHECK(found == whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool can_deflate = size > 0 && (data[0] & CAN_DEFLATE);
	struct err err = {.rc = RC_OK};
	struct wsopen o;
	struct buf b;
	size_t n = size > 0 ? size - 1 : 0;
	char *head = malloc(n + 1);
	enum rc rc;

	CHECK(head != NULL);
	if (n > 0)
		memcpy(head, data + 1, n);
	check_head_bytes((struct slice){head, n});
	rc = wsopen_parse(&o, head, n, can_deflate, &err);
	buf_init(&b, 0);
	if (rc == RC_OK) {
		check_opened(&o, head, n, can_deflate);
		wsopen_add_accept(&b, &o);
	} else {
		CHECK(rc == RC_BAD && err.text[0] != 0);
		CHECK(o.status == 400 || o.status == 405 || o.status == 426 ||
		    o.status == 505);
		wsopen_add_refusal(&b, o.status, slice_of(err.text), 3);
	}
	check_answer(&b, rc != RC_OK);
	buf_fini(&b);
	free(head);
	return 0;
}

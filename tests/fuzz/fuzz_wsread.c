/*
 * Any bytes as what a WebSocket's client sends.  Input: a byte of options, then
 * the stream.  However it is cut, the same messages come out, with the same
 * end; text is UTF-8, nothing is over the limit, and what is sent back is well
 * formed.
 */
#include "base/utf8.h"
#include "wire/wsread.h"

#include <stdint.h>
#include <stdlib.h>

#define HAS_DEFLATE 1
#define IS_SMALL 2
#define IS_DROPPING 4
#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct inflater *inflater;

/* How a stream was read, and what came of it. */
struct run {
	const struct wsread_rules *rules;
	bool has_deflate;
	unsigned drop_at; /* the message that is refused; 0: none */
	struct buf messages, out;
	enum wsread_result result;
	uint16_t peer_status;
	unsigned n;
};

static bool
on_message(void *arg, char *data, size_t n, bool is_binary)
{
	struct run *run = arg;

	CHECK(run->result == WSREAD_OPEN);
	CHECK(n <= run->rules->message_bytes);
	CHECK(is_binary || utf8_is_valid((struct slice){data, n}));
	buf_add_uint(&run->messages, n);
	buf_add_char(&run->messages, is_binary ? 'b' : 't');
	buf_add(&run->messages, data, n);
	if (n > 0)
		memset(data, 'x', n);
	return ++run->n != run->drop_at;
}

/* Only pongs, and at the end the Close that there must be. */
static void
check_out(const struct run *run)
{
	struct slice left = buf_slice(&run->out);
	bool is_closed = false;

	while (left.n > 0) {
		unsigned opcode = (unsigned char)left.p[0] & 0xf;
		size_t n = (unsigned char)left.p[1];

		CHECK(!is_closed && n <= 125 && left.n >= 2 + n);
		is_closed = opcode == WS_CLOSE;
		CHECK(is_closed ? n != 1 : opcode == WS_PONG);
		left = slice_after(left, 2 + n);
	}
	CHECK(is_closed == (run->result == WSREAD_CLOSED));
}

/* Reads bytes in pieces of `each`, each in an allocation of its size. */
static void
read_in_pieces(struct run *run, struct slice bytes, size_t each)
{
	struct wsread *r = NULL;
	uint16_t status;
	char *p;

	buf_init(&run->messages, 0);
	buf_init(&run->out, 0);
	run->result = WSREAD_OPEN;
	while (bytes.n > 0 && run->result == WSREAD_OPEN) {
		size_t n = bytes.n < each ? bytes.n : each;

		p = malloc(n);
		CHECK(p != NULL);
		memcpy(p, bytes.p, n);
		run->result = wsread_bytes(&r, run->rules, run->has_deflate,
		    (struct slice){p, n}, &run->out, &status, run);
		free(p);
		run->peer_status |= status;
		CHECK(run->result == WSREAD_OPEN || r == NULL);
		bytes = slice_after(bytes, n);
	}
	CHECK(run->messages.rc == RC_OK && run->out.rc == RC_OK);
	wsread_free(r);
	check_out(run);
}

/* Pongs that one call left out may have been sent by many. */
static void
check_same(const struct run *a, const struct run *b)
{
	CHECK(a->result == b->result && a->peer_status == b->peer_status);
	CHECK(slice_is(buf_slice(&a->messages), buf_slice(&b->messages)));
}

static void
run_fini(struct run *run)
{
	buf_fini(&run->messages);
	buf_fini(&run->out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned options = size > 0 ? data[0] : 0;
	struct wsread_rules rules = {
	    .message_bytes = 65536, .message = on_message};
	struct run whole = {.rules = &rules}, pieces;
	struct slice bytes = {(const char *)data + 1, size > 0 ? size - 1 : 0};

	if (inflater == NULL)
		CHECK(inflater_new(&inflater, NULL) == RC_OK);
	rules.inflater = inflater;
	whole.has_deflate = options & HAS_DEFLATE;
	if (options & IS_SMALL)
		rules.message_bytes = 20;
	if (options & IS_DROPPING)
		whole.drop_at = 2;
	pieces = whole;
	if (bytes.n == 0)
		return 0;
	read_in_pieces(&whole, bytes, bytes.n);
	read_in_pieces(&pieces, bytes, 1 + (options >> 3));
	check_same(&whole, &pieces);
	run_fini(&whole);
	run_fini(&pieces);
	return 0;
}

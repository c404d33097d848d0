/* WebSocket frames coming in: each stream of bytes is read whole, in every two
   pieces and byte by byte, with the same outcome. */
#include "fail_alloc.h"
#include "tests.h"
#include "wire/wsread.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define LIMIT 1000
#define FIN 0x80u
#define RSV1 0x40u

/* Made by the first that needs it, freed by the last test of the list. */
static struct inflater *inflater;

static struct inflater *
shared_inflater(void)
{
	if (inflater == NULL && inflater_new(&inflater, NULL) != RC_OK)
		CU_FAIL_FATAL("no memory");
	return inflater;
}

/* What became of a stream: "t:Hello b:. | pong:. close:1000 | closed 1000". */
struct trial {
	struct buf shown, out;
	struct wsread *r;
	enum wsread_result result;
	uint16_t peer_status;
	unsigned drop_at; /* the message that is refused; 0: none */
	unsigned messages;
};

static bool
on_message(void *arg, char *data, size_t n, bool is_binary)
{
	struct trial *t = arg;

	buf_add_text(&t->shown, is_binary ? "b:" : "t:");
	buf_add(&t->shown, data, n);
	buf_add_char(&t->shown, ' ');
	memset(data, 0, n); /* ours to change */
	return ++t->messages != t->drop_at;
}

static const struct wsread_rules rules = {
    .message_bytes = LIMIT, .message = on_message};

/* Hands bytes on in an allocation of their size. */
static void
feed(struct trial *t, bool has_deflate, struct slice bytes)
{
	struct wsread_rules now = rules;
	uint16_t status;
	char *p;

	if (t->result != WSREAD_OPEN)
		return;
	now.inflater = shared_inflater();
	p = malloc(bytes.n + 1);
	if (bytes.n > 0)
		memcpy(p, bytes.p, bytes.n);
	t->result = wsread_bytes(&t->r, &now, has_deflate,
	    (struct slice){p, bytes.n}, &t->out, &status, t);
	if (status != 0)
		t->peer_status = status;
	free(p);
}

static void
show_sent(struct trial *t)
{
	struct slice left = buf_slice(&t->out);

	buf_add_text(&t->shown, "| ");
	while (left.n > 0) {
		unsigned opcode = (unsigned char)left.p[0];
		size_t n = (size_t)left.p[1];

		CU_ASSERT_FATAL(left.n >= 2 + n && n <= 125);
		if (opcode == (FIN | WS_PONG)) {
			buf_add_text(&t->shown, "pong:");
			buf_add(&t->shown, left.p + 2, n);
		} else if (opcode == (FIN | WS_CLOSE) && n == 0) {
			buf_add_text(&t->shown, "close");
		} else if (opcode == (FIN | WS_CLOSE) && n > 1) {
			buf_printf(&t->shown, "close:%u",
			    (unsigned)(unsigned char)left.p[2] << 8 |
			        (unsigned char)left.p[3]);
		}
		buf_add_char(&t->shown, ' ');
		left = slice_after(left, 2 + n);
	}
}

static void
show_result(struct trial *t)
{
	show_sent(t);
	if (t->result == WSREAD_OPEN)
		buf_add_text(&t->shown, t->r == NULL ? "| open" : "| half");
	else
		buf_add_text(&t->shown,
		    t->result == WSREAD_CLOSED ? "| closed" : "| dropped");
	if (t->peer_status != 0)
		buf_printf(&t->shown, " %u", t->peer_status);
}

static void
trial_fini(struct trial *t)
{
	CU_ASSERT(t->result == WSREAD_OPEN || t->r == NULL);
	wsread_free(t->r);
	buf_fini(&t->shown);
	buf_fini(&t->out);
}

/* Reads bytes in pieces of `each`, the first one of `first` bytes. */
static bool
in_pieces(struct slice bytes, bool has_deflate, size_t first, size_t each,
    struct slice want)
{
	struct trial t = {.result = WSREAD_OPEN};
	size_t n = first;
	bool is_same;

	while (bytes.n > 0) {
		if (n > bytes.n)
			n = bytes.n;
		feed(&t, has_deflate, (struct slice){bytes.p, n});
		bytes = slice_after(bytes, n);
		n = each;
	}
	show_result(&t);
	is_same = slice_is(buf_slice(&t.shown), want);
	if (!is_same)
		fprintf(stderr, "\n%zu, %zu: %.*s\n", first, each,
		    (int)t.shown.n, t.shown.p);
	trial_fini(&t);
	return is_same;
}

static bool
reads(struct slice bytes, bool has_deflate, struct slice want)
{
	if (!in_pieces(bytes, has_deflate, bytes.n, 1, want) ||
	    !in_pieces(bytes, has_deflate, 1, 1, want))
		return false;
	for (size_t n = 1; n < bytes.n; n++)
		if (!in_pieces(bytes, has_deflate, n, bytes.n, want))
			return false;
	return true;
}

/* ---- what a client sends ---- */

struct sent {
	struct buf b;
};

static void
send_payload(struct sent *s, struct slice payload)
{
	static const char key[] = {'\x37', '\xfa', '\x21', '\x3d'};

	buf_add(&s->b, key, sizeof key);
	for (size_t i = 0; i < payload.n; i++)
		buf_add_char(&s->b, (char)(payload.p[i] ^ key[i % 4]));
}

/* One masked frame; first: FIN, the reserved bits and the opcode. */
static void
send_frame(struct sent *s, unsigned first, struct slice payload)
{
	char head[WSFRAME_HEAD_MAX_BYTES];
	size_t n = wsframe_put_head(head, WS_TEXT, false, payload.n);

	head[0] = (char)first;
	head[1] = (char)(head[1] | (char)0x80);
	buf_add(&s->b, head, n);
	send_payload(s, payload);
}

static bool
sent_reads(struct sent *s, bool has_deflate, struct slice want)
{
	bool is_read = reads(buf_slice(&s->b), has_deflate, want);

	buf_fini(&s->b);
	return is_read;
}

/* One frame alone, without deflate. */
static bool
frame_reads(unsigned first, struct slice payload, const char *want)
{
	struct sent s = {{0}};

	send_frame(&s, first, payload);
	return sent_reads(&s, false, slice_of(want));
}

/* ---- data ---- */

static void
message_is_one_frame(void)
{
	CU_ASSERT(reads(SLICE("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
	    false, SLICE("t:Hello | | open"))); /* RFC 6455, 5.7 */
	CU_ASSERT(frame_reads(FIN | WS_TEXT, SLICE(""), "t: | | open"));
	CU_ASSERT(frame_reads(FIN | WS_BINARY, SLICE(""), "b: | | open"));
	CU_ASSERT(frame_reads(
	    FIN | WS_BINARY, SLICE("\xff\xfe"), "b:\xff\xfe | | open"));
}

static void
every_form_of_length_is_read(void)
{
	static const size_t sizes[] = {1, 125, 126, 127, 999, LIMIT};
	char data[LIMIT];
	struct buf want;

	memset(data, 'x', sizeof data);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct sent s = {{0}};

		send_frame(&s, FIN | WS_TEXT, (struct slice){data, sizes[i]});
		buf_init(&want, 0);
		buf_add_text(&want, "t:");
		buf_add(&want, data, sizes[i]);
		buf_add_text(&want, " | | open");
		CU_ASSERT(sent_reads(&s, false, buf_slice(&want)));
		buf_fini(&want);
	}
}

static void
large_message_is_read_in_any_pieces(void)
{
	static const size_t pieces[] = {1, 7, 4095, 4096, 65536, 1 << 20};
	struct wsread_rules large = {
	    .message_bytes = 70000, .message = on_message};
	struct sent s = {{0}};
	char *data = malloc(70000);

	for (size_t i = 0; i < 70000; i++)
		data[i] = (char)('a' + i % 23);
	send_frame(&s, FIN | WS_TEXT, (struct slice){data, 70000});
	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct trial t = {.result = WSREAD_OPEN};
		struct slice left = buf_slice(&s.b), piece = left;

		for (; left.n > 0; left = slice_after(left, piece.n)) {
			piece = left;
			if (piece.n > pieces[i])
				piece.n = pieces[i];
			CU_ASSERT_EQUAL(wsread_bytes(&t.r, &large, false, piece,
			                    &t.out, &t.peer_status, &t),
			    WSREAD_OPEN);
		}
		CU_ASSERT(t.shown.n == 70003 && t.r == NULL);
		CU_ASSERT(memcmp(t.shown.p + 2, data, 70000) == 0);
		trial_fini(&t);
	}
	buf_fini(&s.b);
	free(data);
}

static void
messages_follow_each_other(void)
{
	struct sent s = {{0}};

	send_frame(&s, FIN | WS_TEXT, SLICE("one"));
	send_frame(&s, FIN | WS_BINARY, SLICE("two"));
	send_frame(&s, FIN | WS_TEXT, SLICE(""));
	send_frame(&s, FIN | WS_TEXT, SLICE("three"));
	CU_ASSERT(
	    sent_reads(&s, false, SLICE("t:one b:two t: t:three | | open")));
}

static void
fragments_are_put_together(void)
{
	struct sent s = {{0}};

	send_frame(&s, WS_TEXT, SLICE("Hel"));
	send_frame(&s, WS_CONTINUATION, SLICE(""));
	send_frame(&s, WS_CONTINUATION, SLICE("l"));
	send_frame(&s, FIN | WS_CONTINUATION, SLICE("o"));
	send_frame(&s, WS_BINARY, SLICE(""));
	send_frame(&s, FIN | WS_CONTINUATION, SLICE(""));
	CU_ASSERT(sent_reads(&s, false, SLICE("t:Hello b: | | open")));
}

static void
control_frames_stand_between_fragments(void)
{
	struct sent s = {{0}};

	send_frame(&s, WS_TEXT, SLICE("Hel"));
	send_frame(&s, FIN | WS_PING, SLICE("p"));
	send_frame(&s, FIN | WS_PONG, SLICE("unasked"));
	send_frame(&s, FIN | WS_CONTINUATION, SLICE("lo"));
	send_frame(&s, FIN | WS_PING, SLICE(""));
	CU_ASSERT(
	    sent_reads(&s, false, SLICE("t:Hello | pong:p pong: | open")));
}

static void
fragments_out_of_place_are_refused(void)
{
	static const unsigned begins[] = {
	    FIN | WS_TEXT, WS_TEXT, FIN | WS_BINARY, WS_BINARY};

	CU_ASSERT(frame_reads(
	    FIN | WS_CONTINUATION, SLICE("x"), "| close:1002 | closed"));
	CU_ASSERT(
	    frame_reads(WS_CONTINUATION, SLICE(""), "| close:1002 | closed"));
	for (size_t i = 0; i < COUNT(begins); i++) {
		struct sent s = {{0}};

		send_frame(&s, FIN | WS_TEXT, SLICE("a"));
		send_frame(&s, WS_TEXT, SLICE("b"));
		send_frame(&s, begins[i], SLICE("c"));
		CU_ASSERT(
		    sent_reads(&s, false, SLICE("t:a | close:1002 | closed")));
	}
}

static void
message_over_the_limit_is_refused(void)
{
	char data[LIMIT + 1];
	struct sent s = {{0}};

	memset(data, 'x', sizeof data);
	CU_ASSERT(frame_reads(FIN | WS_BINARY,
	    (struct slice){data, sizeof data}, "| close:1009 | closed"));
	send_frame(&s, WS_TEXT, (struct slice){data, 600});
	send_frame(&s, FIN | WS_CONTINUATION, (struct slice){data, 401});
	CU_ASSERT(sent_reads(&s, false, SLICE("| close:1009 | closed")));
}

static void
hostile_lengths_allocate_nothing(void)
{
	/* 2^63 - 1 bytes, of which one comes; then the top bit; then forms
	   that are longer than needed */
	CU_ASSERT(reads(SLICE("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
	                      "keyy"
	                      "x"),
	    false, SLICE("| close:1009 | closed")));
	CU_ASSERT(reads(SLICE("\x82\xff\x80\0\0\0\0\0\0\0"
	                      "keyy"
	                      "x"),
	    false, SLICE("| close:1002 | closed")));
	CU_ASSERT(reads(SLICE("\x82\xff\0\0\0\0\0\0\xff\xff"
	                      "keyy"
	                      "x"),
	    false, SLICE("| close:1002 | closed")));
	CU_ASSERT(reads(SLICE("\x82\xfe\0\x7d"
	                      "keyy"
	                      "x"),
	    false, SLICE("| close:1002 | closed")));
}

static void
frame_without_a_mask_is_refused(void)
{
	CU_ASSERT(
	    reads(SLICE("\x81\5Hello"), false, SLICE("| close:1002 | closed")));
	CU_ASSERT(
	    reads(SLICE("\x89\0"), false, SLICE("| close:1002 | closed")));
}

static void
missing_mask_is_told_with_the_second_byte(void)
{
	static const char lengths[] = {0, 1, 3, 125, 126, 127};
	static const unsigned opcodes[] = {WS_TEXT, WS_BINARY, WS_CLOSE};

	for (size_t i = 0; i < COUNT(lengths); i++) {
		for (size_t k = 0; k < COUNT(opcodes); k++) {
			char head[] = {(char)(FIN | opcodes[k]), lengths[i]};

			CU_ASSERT(reads((struct slice){head, sizeof head},
			    false, SLICE("| close:1002 | closed")));
			head[1] = (char)(head[1] | (char)0x80);
			if (opcodes[k] == WS_CLOSE && lengths[i] > 125)
				continue; /* wrong anyway */
			CU_ASSERT(reads((struct slice){head, sizeof head},
			    false, SLICE("| | half")));
		}
	}
	/* what came before it is read, also within a message */
	for (unsigned first = WS_TEXT; first <= (FIN | WS_TEXT); first += FIN) {
		struct sent s = {{0}};

		send_frame(&s, first, SLICE("a"));
		send_frame(&s, FIN | WS_PING, SLICE("p"));
		buf_add(&s.b, "\x80\5", 2);
		CU_ASSERT(sent_reads(&s, false,
		    first == WS_TEXT
		        ? SLICE("| pong:p close:1002 | closed")
		        : SLICE("t:a | pong:p close:1002 | closed")));
	}
}

static void
half_a_header_with_a_mask_waits(void)
{
	/* whose other bytes lack the bit */
	struct slice head = SLICE("\x82\xff\0\0\0\0\0\1\0\0\0\0\0\0");

	for (size_t n = 1; n <= head.n; n++)
		CU_ASSERT(
		    reads((struct slice){head.p, n}, false, SLICE("| | half")));
}

static void
reserved_bits_and_opcodes_are_refused(void)
{
	static const unsigned opcodes[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};

	for (unsigned rsv = 1; rsv < 8; rsv++)
		for (unsigned opcode = 0; opcode < 11; opcode++)
			CU_ASSERT(frame_reads(FIN | rsv << 4 | opcode,
			    SLICE("x"), "| close:1002 | closed"));
	for (size_t i = 0; i < COUNT(opcodes); i++) {
		struct sent s = {{0}};

		send_frame(&s, WS_TEXT, SLICE("x"));
		send_frame(&s, FIN | opcodes[i], SLICE(""));
		CU_ASSERT(sent_reads(&s, true, SLICE("| close:1002 | closed")));
		CU_ASSERT(frame_reads(
		    FIN | opcodes[i], SLICE("xyz"), "| close:1002 | closed"));
	}
}

/* ---- text ---- */

static void
text_must_be_utf8(void)
{
	static const char *const bad[] = {"\x80", "\xc3\x28", "a\xc3",
	    "\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80", "\xc0\xaf",
	    "\xe0\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
	    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
	    "ed"};

	CU_ASSERT(frame_reads(FIN | WS_TEXT, SLICE("\xce\xba\xf0\x9f\x98\x80"),
	    "t:\xce\xba\xf0\x9f\x98\x80 | | open"));
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sent s = {{0}};

		CU_ASSERT(frame_reads(
		    FIN | WS_TEXT, slice_of(bad[i]), "| close:1007 | closed"));
		/* across fragments, too */
		for (size_t n = 0; n <= strlen(bad[i]); n++) {
			send_frame(&s, WS_TEXT, (struct slice){bad[i], n});
			send_frame(
			    &s, FIN | WS_CONTINUATION, slice_of(bad[i] + n));
			CU_ASSERT(sent_reads(
			    &s, false, SLICE("| close:1007 | closed")));
		}
	}
}

static void
character_may_lie_across_fragments(void)
{
	struct slice text = SLICE("\xce\xba\xe1\xbd\xb9\xf0\x9f\x98\x80\xef"
	                          "\xbf\xbf\xf4\x8f\xbf\xbf\xed\x9f\xbf");
	struct buf want;

	buf_init(&want, 0);
	buf_add_text(&want, "t:");
	buf_add_slice(&want, text);
	buf_add_text(&want, " | | open");
	for (size_t n = 0; n <= text.n; n++) {
		struct sent s = {{0}};

		send_frame(&s, WS_TEXT, (struct slice){text.p, n});
		send_frame(&s, FIN | WS_CONTINUATION, slice_after(text, n));
		CU_ASSERT(sent_reads(&s, false, buf_slice(&want)));
	}
	buf_fini(&want);
}

static void
bad_text_fails_before_the_message_ends(void)
{
	static const char *const bad[] = {
	    "ok\xff", "\xf4\x90", "\xed\xa0", "\xe0\x9f", "\xf0\x8f", "\xc1"};
	static const char *const unfinished[] = {
	    "ok\xc3", "\xf4\x8f", "\xed", "\xe0\xa0", "\xf0\x90\x80"};

	for (size_t i = 0; i < COUNT(bad); i++)
		CU_ASSERT(frame_reads(
		    WS_TEXT, slice_of(bad[i]), "| close:1007 | closed"));
	for (size_t i = 0; i < COUNT(unfinished); i++)
		CU_ASSERT(
		    frame_reads(WS_TEXT, slice_of(unfinished[i]), "| | half"));
	/* before its frame ends: 100 bytes are told, 5 come */
	CU_ASSERT(reads(SLICE("\x81\xe4\0\0\0\0"
	                      "abc\xf4\x90"),
	    false, SLICE("| close:1007 | closed")));
}

/* ---- compression ---- */

static void
compressed_messages_are_read(void)
{
	struct sent s = {{0}};

	/* RFC 7692, 7.2.3 */
	send_frame(
	    &s, FIN | RSV1 | WS_TEXT, SLICE("\xf2\x48\xcd\xc9\xc9\x07\0"));
	send_frame(&s, FIN | RSV1 | WS_BINARY, SLICE("\0"));
	send_frame(&s, FIN | WS_TEXT, SLICE("plain"));
	send_frame(&s, RSV1 | WS_TEXT, SLICE("\xf2\x48\xcd"));
	send_frame(&s, FIN | WS_PING, SLICE(""));
	send_frame(&s, WS_CONTINUATION, SLICE(""));
	send_frame(&s, FIN | WS_CONTINUATION, SLICE("\xc9\xc9\x07\0"));
	CU_ASSERT(sent_reads(
	    &s, true, SLICE("t:Hello b: t:plain t:Hello | pong: | open")));
}

static void
compression_is_marked_on_the_first_frame_only(void)
{
	static const unsigned later[] = {FIN | RSV1 | WS_CONTINUATION,
	    RSV1 | WS_CONTINUATION, FIN | RSV1 | WS_PING, FIN | RSV1 | WS_PONG,
	    FIN | RSV1 | WS_CLOSE};

	for (size_t i = 0; i < COUNT(later); i++) {
		struct sent s = {{0}};

		send_frame(&s, RSV1 | WS_TEXT, SLICE("\xf2\x48\xcd"));
		send_frame(&s, later[i], SLICE("\xc9\xc9\x07\0"));
		CU_ASSERT(sent_reads(&s, true, SLICE("| close:1002 | closed")));
	}
	for (unsigned rsv = 1; rsv < 8; rsv++) {
		struct sent s = {{0}};

		send_frame(&s, FIN | rsv << 4 | WS_TEXT, SLICE("\0"));
		CU_ASSERT(sent_reads(&s, true,
		    rsv == 4 ? SLICE("t: | | open")
		             : SLICE("| close:1002 | closed")));
	}
}

static void
bad_compression_is_refused(void)
{
	static const struct slice bad[] = {{"", 0}, {"\xf2\x48", 2}, {"\7", 1},
	    {"\0\2\0\xfd\xff\xc3\x28\0", 8}};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sent s = {{0}};

		send_frame(&s, FIN | RSV1 | WS_TEXT, bad[i]);
		CU_ASSERT(sent_reads(&s, true, SLICE("| close:1007 | closed")));
	}
}

static void
limit_counts_what_was_inflated(void)
{
	char zeros[LIMIT + 1] = {0};
	struct deflater *d;
	struct buf small, want;

	CU_ASSERT_FATAL(deflater_new(&d, 15, NULL) == RC_OK);
	buf_init(&small, 0);
	for (size_t n = LIMIT; n <= LIMIT + 1; n++) {
		struct sent s = {{0}};

		buf_clear(&small);
		deflater_add(d, &small, (struct slice){zeros, n});
		send_frame(&s, FIN | RSV1 | WS_BINARY, buf_slice(&small));
		buf_init(&want, 0);
		buf_add_text(&want, "b:");
		buf_add(&want, zeros, n);
		buf_add_text(&want, " | | open");
		CU_ASSERT(sent_reads(&s, true,
		    n > LIMIT ? SLICE("| close:1009 | closed")
		              : buf_slice(&want)));
		buf_fini(&want);
	}
	buf_fini(&small);
	deflater_free(d);
}

/* ---- control frames ---- */

static void
pings_are_answered_in_order(void)
{
	struct sent s = {{0}};

	CU_ASSERT(frame_reads(FIN | WS_PONG, SLICE("x"), "| | open"));
	send_frame(&s, FIN | WS_PING, SLICE("1"));
	send_frame(&s, FIN | WS_PING, SLICE(""));
	send_frame(&s, FIN | WS_PING, SLICE("3"));
	CU_ASSERT(sent_reads(&s, false, SLICE("| pong:1 pong: pong:3 | open")));
	CU_ASSERT(reads(SLICE("\x89\xfe\0\x7e\0\0\0\0"), false,
	    SLICE("| close:1002 | closed")));
	CU_ASSERT(frame_reads(WS_PING, SLICE("x"), "| close:1002 | closed"));
	CU_ASSERT(frame_reads(WS_CLOSE, SLICE(""), "| close:1002 | closed"));
}

static void
longest_ping_is_given_back(void)
{
	struct sent s = {{0}};
	struct trial t = {.result = WSREAD_OPEN};
	char payload[125];

	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (char)i;
	send_frame(&s, FIN | WS_PING, (struct slice){payload, sizeof payload});
	feed(&t, false, buf_slice(&s.b));
	CU_ASSERT(t.out.n == 127 && memcmp(t.out.p, "\x8a\x7d", 2) == 0);
	CU_ASSERT(memcmp(t.out.p + 2, payload, sizeof payload) == 0);
	trial_fini(&t);
	buf_fini(&s.b);
}

static void
flood_of_pings_gets_few_pongs_and_the_last(void)
{
	static const unsigned counts[] = {63, 64, 65, 1000};
	char number[8];

	for (size_t i = 0; i < COUNT(counts); i++) {
		struct sent s = {{0}};
		struct trial t = {.result = WSREAD_OPEN};
		unsigned most = counts[i] < 64 ? counts[i] : 64;

		for (unsigned n = 1; n <= counts[i]; n++) {
			snprintf(number, sizeof number, "%04u", n);
			send_frame(&s, FIN | WS_PING, slice_of(number));
		}
		feed(&t, false, buf_slice(&s.b));
		CU_ASSERT_EQUAL(t.out.n, most * 6);
		snprintf(number, sizeof number, "%04u", counts[i]);
		CU_ASSERT(memcmp(t.out.p + t.out.n - 4, number, 4) == 0);
		CU_ASSERT(memcmp(t.out.p + 2, "0001", 4) == 0);
		trial_fini(&t);
		buf_fini(&s.b);
	}
}

/* A Close of this status, as the peer sends it. */
static bool
close_reads(unsigned status, struct slice reason, const char *want)
{
	char payload[125] = {(char)(status >> 8), (char)status};

	memcpy(payload + 2, reason.p, reason.n);
	return frame_reads(
	    FIN | WS_CLOSE, (struct slice){payload, 2 + reason.n}, want);
}

static void
close_is_answered_with_its_status(void)
{
	static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008,
	    1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
	char want[60];

	CU_ASSERT(
	    frame_reads(FIN | WS_CLOSE, SLICE(""), "| close | closed 1005"));
	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(want, sizeof want, "| close:%u | closed %u", good[i],
		    good[i]);
		CU_ASSERT(close_reads(good[i], SLICE(""), want));
		CU_ASSERT(close_reads(good[i], SLICE("bye"), want));
	}
}

static void
close_with_a_bad_status_is_refused(void)
{
	static const unsigned bad[] = {0, 1, 999, 1004, 1005, 1006, 1015, 1016,
	    1100, 2000, 2999, 5000, 65535};

	for (size_t i = 0; i < COUNT(bad); i++)
		CU_ASSERT(
		    close_reads(bad[i], SLICE(""), "| close:1002 | closed"));
	CU_ASSERT(
	    frame_reads(FIN | WS_CLOSE, SLICE("\3"), "| close:1002 | closed"));
}

static void
reason_of_a_close_is_utf8_in_any_pieces(void)
{
	char longest[123];

	CU_ASSERT(close_reads(
	    1000, SLICE("x\xc3\xa9y\xc3\xa9"), "| close:1000 | closed 1000"));
	CU_ASSERT(close_reads(1000,
	    SLICE("abc\xff"
	          "d"),
	    "| close:1007 | closed"));
	CU_ASSERT(close_reads(1000, SLICE("abc\xc3"), "| close:1007 | closed"));
	memset(longest, 'x', sizeof longest);
	CU_ASSERT(close_reads(1000, (struct slice){longest, sizeof longest},
	    "| close:1000 | closed 1000"));
}

static void
nothing_is_read_behind_a_close(void)
{
	struct sent s = {{0}};

	send_frame(&s, FIN | WS_TEXT, SLICE("a"));
	send_frame(&s, WS_TEXT, SLICE("b"));
	send_frame(&s, FIN | WS_PING, SLICE("p"));
	send_frame(&s, FIN | WS_CLOSE, SLICE("\3\xe8"));
	send_frame(&s, FIN | WS_CONTINUATION, SLICE("c"));
	send_frame(&s, FIN | WS_PING, SLICE("q"));
	CU_ASSERT(sent_reads(
	    &s, false, SLICE("t:a | pong:p close:1000 | closed 1000")));
}

static void
no_pong_follows_a_close(void)
{
	struct sent s = {{0}};
	struct trial t = {.result = WSREAD_OPEN};

	for (unsigned n = 0; n < 100; n++)
		send_frame(&s, FIN | WS_PING, SLICE(""));
	send_frame(&s, FIN | WS_CLOSE, SLICE(""));
	feed(&t, false, buf_slice(&s.b));
	CU_ASSERT_EQUAL(t.result, WSREAD_CLOSED);
	CU_ASSERT(memcmp(t.out.p + t.out.n - 2, "\x88\0", 2) == 0);
	trial_fini(&t);
	buf_fini(&s.b);
}

/* ---- the connection ---- */

static void
nothing_is_kept_between_messages(void)
{
	struct slice hello =
	    SLICE("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
	struct trial t = {.result = WSREAD_OPEN};

	for (size_t n = 1; n <= hello.n; n++) {
		feed(&t, false, (struct slice){hello.p, n});
		CU_ASSERT((t.r == NULL) == (n == hello.n));
		feed(&t, false, slice_after(hello, n));
		CU_ASSERT_PTR_NULL(t.r);
	}
	/* the beginning of the next one, in the same piece */
	for (size_t n = 1; n < hello.n; n++) {
		struct sent s = {{0}};

		buf_add_slice(&s.b, hello);
		buf_add(&s.b, hello.p, n);
		feed(&t, false, buf_slice(&s.b));
		CU_ASSERT_PTR_NOT_NULL(t.r);
		feed(&t, false, slice_after(hello, n));
		CU_ASSERT_PTR_NULL(t.r);
		buf_fini(&s.b);
	}
	feed(&t, false, SLICE(""));
	CU_ASSERT(t.r == NULL && t.result == WSREAD_OPEN && t.out.n == 0);
	trial_fini(&t);
}

static void
refused_message_is_the_last(void)
{
	struct sent s = {{0}};
	struct trial t = {.result = WSREAD_OPEN, .drop_at = 2};

	send_frame(&s, FIN | WS_TEXT, SLICE("1"));
	send_frame(&s, FIN | WS_PING, SLICE("p"));
	send_frame(&s, FIN | WS_TEXT, SLICE("2"));
	send_frame(&s, FIN | WS_TEXT, SLICE("3"));
	feed(&t, false, buf_slice(&s.b));
	show_result(&t);
	CU_ASSERT(
	    slice_is(buf_slice(&t.shown), SLICE("t:1 t:2 | pong:p | dropped")));
	trial_fini(&t);
	buf_fini(&s.b);
}

static void
every_truncation_waits_for_more(void)
{
	struct sent s = {{0}};

	send_frame(&s, WS_TEXT, SLICE("Hel"));
	send_frame(&s, FIN | WS_PING, SLICE("p"));
	send_frame(&s, FIN | WS_CONTINUATION, SLICE("lo"));
	for (size_t n = 1; n < s.b.n; n++) {
		struct trial t = {.result = WSREAD_OPEN};

		feed(&t, false, (struct slice){s.b.p, n});
		CU_ASSERT(t.result == WSREAD_OPEN && t.r != NULL);
		CU_ASSERT_EQUAL(t.messages, 0);
		trial_fini(&t);
	}
	buf_fini(&s.b);
}

static void
failing_memory_closes_with_1011(void)
{
	struct sent s = {{0}};
	bool has_failed = true;
	unsigned tried = 0;

	send_frame(&s, WS_TEXT, SLICE("Hel"));
	send_frame(&s, FIN | WS_CONTINUATION, SLICE("lo"));
	send_frame(
	    &s, FIN | RSV1 | WS_TEXT, SLICE("\xf2\x48\xcd\xc9\xc9\x07\0"));
	shared_inflater();
	for (; has_failed && tried < 20; tried++) {
		struct wsread_rules now = rules;
		struct trial t = {.result = WSREAD_OPEN};

		now.inflater = inflater;
		/* the test's own buffers have their memory already */
		buf_room(&t.out, 200);
		buf_room(&t.shown, 200);
		fail_alloc_after(tried);
		t.result = wsread_bytes(&t.r, &now, true, buf_slice(&s.b),
		    &t.out, &t.peer_status, &t);
		has_failed = fail_alloc_end();
		CU_ASSERT_EQUAL(
		    t.result, has_failed ? WSREAD_CLOSED : WSREAD_OPEN);
		CU_ASSERT(!has_failed || memcmp(t.out.p + 2, "\3\xf3", 2) == 0);
		trial_fini(&t);
	}
	CU_ASSERT_EQUAL(tried, 4); /* the reader, data, inflated data */
	wsread_free(NULL);
	buf_fini(&s.b);
	inflater_free(inflater);
	inflater = NULL;
}

CU_TestInfo test_wsread[] = {{"message_is_one_frame", message_is_one_frame},
    {"every_form_of_length_is_read", every_form_of_length_is_read},
    {"large_message_is_read_in_any_pieces",
        large_message_is_read_in_any_pieces},
    {"messages_follow_each_other", messages_follow_each_other},
    {"fragments_are_put_together", fragments_are_put_together},
    {"control_frames_stand_between_fragments",
        control_frames_stand_between_fragments},
    {"fragments_out_of_place_are_refused", fragments_out_of_place_are_refused},
    {"message_over_the_limit_is_refused", message_over_the_limit_is_refused},
    {"hostile_lengths_allocate_nothing", hostile_lengths_allocate_nothing},
    {"frame_without_a_mask_is_refused", frame_without_a_mask_is_refused},
    {"missing_mask_is_told_with_the_second_byte",
        missing_mask_is_told_with_the_second_byte},
    {"half_a_header_with_a_mask_waits", half_a_header_with_a_mask_waits},
    {"reserved_bits_and_opcodes_are_refused",
        reserved_bits_and_opcodes_are_refused},
    {"text_must_be_utf8", text_must_be_utf8},
    {"character_may_lie_across_fragments", character_may_lie_across_fragments},
    {"bad_text_fails_before_the_message_ends",
        bad_text_fails_before_the_message_ends},
    {"compressed_messages_are_read", compressed_messages_are_read},
    {"compression_is_marked_on_the_first_frame_only",
        compression_is_marked_on_the_first_frame_only},
    {"bad_compression_is_refused", bad_compression_is_refused},
    {"limit_counts_what_was_inflated", limit_counts_what_was_inflated},
    {"pings_are_answered_in_order", pings_are_answered_in_order},
    {"longest_ping_is_given_back", longest_ping_is_given_back},
    {"flood_of_pings_gets_few_pongs_and_the_last",
        flood_of_pings_gets_few_pongs_and_the_last},
    {"close_is_answered_with_its_status", close_is_answered_with_its_status},
    {"close_with_a_bad_status_is_refused", close_with_a_bad_status_is_refused},
    {"reason_of_a_close_is_utf8_in_any_pieces",
        reason_of_a_close_is_utf8_in_any_pieces},
    {"nothing_is_read_behind_a_close", nothing_is_read_behind_a_close},
    {"no_pong_follows_a_close", no_pong_follows_a_close},
    {"nothing_is_kept_between_messages", nothing_is_kept_between_messages},
    {"refused_message_is_the_last", refused_message_is_the_last},
    {"every_truncation_waits_for_more", every_truncation_waits_for_more},
    {"failing_memory_closes_with_1011", failing_memory_closes_with_1011},
    CU_TEST_INFO_NULL};

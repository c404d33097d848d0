/* What client and server say on a WebSocket. */
#include "fail_alloc.h"
#include "tests.h"
#include "wire/json.h"
#include "wire/wsframe.h"
#include "wire/wsop.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct envelope_limits limits = {
    .message_bytes = 64, .messages = 1};

/* One frame's text and what became of it; text is of exactly its size. */
struct said {
	struct wsop op;
	struct err err;
	enum rc rc;
	char *text;
};

static void
say(struct said *s, struct slice text)
{
	*s = (struct said){.text = malloc(text.n + (text.n == 0))};
	if (text.n > 0)
		memcpy(s->text, text.p, text.n);
	s->rc = wsop_parse(s->text, text.n, &limits, &s->op, &s->err);
}

/* "subscribe chat/a since 5 ref 7" and the like; the error's text. */
static void
show(const struct said *s, struct buf *b)
{
	static const char *const kinds[] = {
	    "subscribe", "unsubscribe", "publish", "ping"};
	const struct wsop *op = &s->op;

	if (s->rc != RC_OK) {
		buf_printf(b, "%s: ", rc_name(s->rc));
		buf_add_text(b, s->err.text);
	} else {
		buf_add_text(b, kinds[op->kind]);
	}
	if (op->channel.p != NULL && s->rc == RC_OK)
		buf_printf(b, " %.*s", (int)op->channel.n, op->channel.p);
	if (s->rc == RC_OK && op->kind == WSOP_SUBSCRIBE) {
		if (op->from == WSOP_NOW)
			buf_add_text(b, " now");
		else if (op->from == WSOP_LAST)
			buf_printf(b, " last %u", op->last);
		else
			buf_printf(b, " since %llu%s",
			    (unsigned long long)op->since.seq,
			    op->since.has_epoch ? " with epoch" : "");
	}
	if (s->rc == RC_OK && op->kind == WSOP_PUBLISH)
		buf_printf(b, " %.*s|%.*s|%.*s|%.*s|%s",
		    (int)op->message.channel.n, op->message.channel.p,
		    (int)op->message.event.n, op->message.event.p,
		    (int)op->message.id.n, op->message.id.p,
		    (int)op->message.data.n, op->message.data.p,
		    op->message.is_json ? "json" : "text");
	if (op->ref.p != NULL)
		buf_printf(b, " ref %.*s", (int)op->ref.n, op->ref.p);
}

static bool
means(const char *text, const char *want)
{
	struct said s;
	struct buf b;
	bool is_same;

	buf_init(&b, 0);
	say(&s, slice_of(text));
	show(&s, &b);
	is_same = slice_is(buf_slice(&b), slice_of(want));
	if (!is_same)
		fprintf(stderr, "\n%s\n%.*s\n", text, (int)b.n, b.p);
	free(s.text);
	buf_fini(&b);
	return is_same;
}

/* True if text is refused and the reason names `why`. */
static bool
fails(const char *text, const char *why)
{
	struct said s;
	bool does;

	say(&s, slice_of(text));
	does = s.rc == RC_BAD && strstr(s.err.text, why) != NULL;
	if (!does)
		fprintf(stderr, "\n%s: %s\n", text, s.err.text);
	free(s.text);
	return does;
}

static void
each_op_is_read(void)
{
	CU_ASSERT(means("{\"op\":\"subscribe\",\"channel\":\"/chat/*\"}",
	    "subscribe chat/* now"));
	CU_ASSERT(means(" { \"op\" : \"unsubscribe\", \"channel\" : \"a/**\" }",
	    "unsubscribe a/**"));
	CU_ASSERT(means("{\"op\":\"ping\"}", "ping"));
	CU_ASSERT(
	    means("{\"op\":\"publish\",\"channel\":\"/a\",\"data\":\"x\"}",
	        "publish a|||x|text"));
	CU_ASSERT(
	    means("{\"data\":{ \"n\" : 1 },\"id\":\"i\",\"op\":\"publish\","
	          "\"event\":\"e\",\"channel\":\"a\",\"ref\":[1, 2]}",
	        "publish a|e|i|{\"n\":1}|json ref [1,2]"));
	CU_ASSERT(means("{\"o\\u0070\":\"p\\u0069ng\",\"unknown\":1}", "ping"));
}

#define SUBSCRIBE "{\"op\":\"subscribe\",\"channel\":\"a\","

static void
subscription_begins_where_it_is_told(void)
{
	CU_ASSERT(means(SUBSCRIBE "\"since\":\"5.0123abcd\"}",
	    "subscribe a since 5 with epoch"));
	CU_ASSERT(means(SUBSCRIBE "\"since\":\"5\"}", "subscribe a since 5"));
	CU_ASSERT(means(SUBSCRIBE "\"since\":5}", "subscribe a since 5"));
	CU_ASSERT(means(SUBSCRIBE "\"since\":0}", "subscribe a since 0"));
	CU_ASSERT(means(SUBSCRIBE "\"since\":\"now\"}", "subscribe a now"));
	CU_ASSERT(means(SUBSCRIBE "\"since\":null}", "subscribe a now"));
	CU_ASSERT(means(SUBSCRIBE "\"last\":0}", "subscribe a last 0"));
	CU_ASSERT(means(
	    SUBSCRIBE "\"last\":4294967295}", "subscribe a last 4294967295"));
	CU_ASSERT(means(SUBSCRIBE "\"last\":null}", "subscribe a now"));
	CU_ASSERT(
	    means(SUBSCRIBE "\"since\":7,\"last\":3}", "subscribe a since 7"));
	CU_ASSERT(means(
	    SUBSCRIBE "\"last\":3,\"since\":\"now\"}", "subscribe a now"));
	CU_ASSERT(means(
	    SUBSCRIBE "\"last\":3,\"since\":null}", "subscribe a last 3"));
}

static void
bad_beginnings_are_refused(void)
{
	static const char *const since[] = {"\"\"", "\"x\"", "-1", "1.5",
	    "1.12345678", "1e3", "true", "[]", "{}", "\" 5\"",
	    "99999999999999999999"};
	static const char *const last[] = {"-1", "1.0", "1e2", "\"5\"", "true",
	    "4294967296", "99999999999999999999999", "[]"};
	char text[200];

	for (size_t i = 0; i < COUNT(since); i++) {
		snprintf(
		    text, sizeof text, SUBSCRIBE "\"since\":%s}", since[i]);
		CU_ASSERT(fails(text, i == 4 ? "epoch" : "cursor"));
	}
	for (size_t i = 0; i < COUNT(last); i++) {
		snprintf(text, sizeof text, SUBSCRIBE "\"last\":%s}", last[i]);
		CU_ASSERT(fails(text, "\"last\" must be an integer"));
	}
}

static void
what_is_no_op_is_refused_with_what_would_be(void)
{
	static const char *const no_op[] = {"{}", "{\"op\":\"shout\"}",
	    "{\"op\":1}", "{\"op\":null}", "{\"op\":\"\"}",
	    "{\"op\":\"Ping\"}"};

	for (size_t i = 0; i < COUNT(no_op); i++)
		CU_ASSERT(fails(no_op[i], "\"unsubscribe\""));
	CU_ASSERT(fails("[]", "must be a JSON object"));
	CU_ASSERT(fails("1", "must be a JSON object"));
	CU_ASSERT(fails("\"ping\"", "must be a JSON object"));
	CU_ASSERT(fails("", ""));
	CU_ASSERT(fails("{\"op\":\"ping\"", ""));
	CU_ASSERT(fails("{\"op\":\"ping\"} x", ""));
	CU_ASSERT(fails(SUBSCRIBE "\"channel\":\"a*\"}", "'*'"));
	CU_ASSERT(fails("{\"op\":\"subscribe\"}", "\"channel\" must be"));
	CU_ASSERT(fails(
	    "{\"op\":\"subscribe\",\"channel\":5}", "\"channel\" must be"));
	CU_ASSERT(fails("{\"op\":\"unsubscribe\",\"channel\":null}",
	    "\"channel\" must be"));
	CU_ASSERT(fails("{\"op\":\"unsubscribe\",\"channel\":\"\"}", "empty"));
}

static void
published_message_is_checked_like_any_other(void)
{
	struct said s;

	CU_ASSERT(fails("{\"op\":\"publish\",\"data\":1}", "no \"channel\""));
	CU_ASSERT(fails("{\"op\":\"publish\",\"channel\":null,\"data\":1}",
	    "no \"channel\""));
	CU_ASSERT(
	    fails("{\"op\":\"publish\",\"channel\":\"a\"}", "no \"data\""));
	CU_ASSERT(fails(
	    "{\"op\":\"publish\",\"channel\":\"a/*\",\"data\":1}", "'*'"));
	CU_ASSERT(fails("{\"op\":\"publish\",\"channel\":1,\"data\":1}",
	    "\"channel\" must be a string"));
	CU_ASSERT(fails("{\"op\":\"publish\",\"channel\":\"a\",\"data\":1,"
	                "\"id\":\"\\n\"}",
	    "control"));
	say(&s,
	    SLICE("{\"op\":\"publish\",\"channel\":\"$sys\",\"data\":1,"
	          "\"ref\":3}"));
	CU_ASSERT_EQUAL(s.rc, RC_DENIED);
	CU_ASSERT(slice_is(s.op.ref, SLICE("3")));
	free(s.text);
	say(&s,
	    SLICE("{\"op\":\"publish\",\"channel\":\"a\",\"data\":\""
	          "012345678901234567890123456789012345678901234567890123456789"
	          "0123"
	          "4\"}"));
	CU_ASSERT_EQUAL(s.rc, RC_TOO_LARGE);
	free(s.text);
}

static void
ref_is_known_whatever_else_is_wrong(void)
{
	CU_ASSERT(means("{\"op\":\"ping\",\"ref\":null}", "ping ref null"));
	CU_ASSERT(means("{\"op\":\"ping\",\"ref\":{ \"a\" : \"\\n\" }}",
	    "ping ref {\"a\":\"\\n\"}"));
	CU_ASSERT(means("{\"op\":\"subscribe\",\"ref\":1}",
	    "BAD: \"channel\" must be a string: the channel or pattern"
	    " ref 1"));
	CU_ASSERT(means("{\"op\":\"no\",\"ref\":\"x\"}",
	    "BAD: \"op\" must be \"subscribe\", \"unsubscribe\","
	    " \"publish\" or \"ping\" ref \"x\""));
	CU_ASSERT(means("{\"ref\":1,\"op\":\"ping\",\"ref\":2}", "ping ref 2"));
}

static void
ref_is_bounded(void)
{
	char text[400];
	struct said s;

	for (int n = 254; n <= 255; n++) {
		snprintf(text, sizeof text,
		    "{\"op\":\"ping\",\"ref\":\"%0*d\"}", n, 7);
		say(&s, slice_of(text));
		CU_ASSERT_EQUAL(s.rc, n == 254 ? RC_OK : RC_BAD);
		CU_ASSERT((s.op.ref.p == NULL) == (n == 255));
		free(s.text);
	}
}

static void
every_truncation_is_refused(void)
{
	struct slice text =
	    SLICE("{\"op\":\"publish\",\"channel\":\"\\u00e9\",\"data\":[1]}");
	struct said s;

	for (size_t n = 0; n <= text.n; n++) {
		say(&s, (struct slice){text.p, n});
		CU_ASSERT_EQUAL(s.rc, n == text.n ? RC_OK : RC_BAD);
		free(s.text);
	}
}

/* ---- what the server says ---- */

/* Checks that b is one short text frame of JSON, and takes it. */
static bool
frame_is(struct buf *b, const char *want)
{
	struct slice text = slice_of(want);
	char head[WSFRAME_HEAD_MAX_BYTES];
	size_t head_n = wsframe_put_head(head, WS_TEXT, false, text.n);
	bool is_same = b->rc == RC_OK && b->n == head_n + text.n &&
	    memcmp(b->p, head, head_n) == 0 &&
	    memcmp(b->p + head_n, want, text.n) == 0;

	if (is_same) {
		CU_ASSERT_EQUAL(
		    json_compact(b->p + head_n, &text.n, NULL), RC_OK);
	} else {
		fprintf(stderr, "\n%.*s\n", (int)b->n, b->p);
	}
	buf_fini(b);
	return is_same;
}

static const struct slice none = {NULL, 0};

static void
answers_tell_the_ref_and_the_cursor(void)
{
	struct buf b;

	buf_init(&b, 0);
	wsop_add_ok(&b, SLICE("7"), 124, 0x9f3a1c22);
	CU_ASSERT(frame_is(
	    &b, "{\"op\":\"ok\",\"ref\":7,\"cursor\":\"124.9f3a1c22\"}"));
	wsop_add_ok(&b, none, 0, 1);
	CU_ASSERT(frame_is(&b, "{\"op\":\"ok\",\"cursor\":\"0.00000001\"}"));
	wsop_add_published(&b, SLICE("\"r\""), SLICE("a\"b"), 3, 1, false);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"ok\",\"ref\":\"r\",\"seq\":3,\"cursor\":\"3.00000001\","
	    "\"channel\":\"a\\\"b\"}"));
	wsop_add_published(&b, none, SLICE("a"), 3, 1, true);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"ok\",\"seq\":3,\"cursor\":\"3.00000001\","
	    "\"channel\":\"a\",\"duplicate\":true}"));
	wsop_add_pong(&b, SLICE("[1]"));
	CU_ASSERT(frame_is(&b, "{\"op\":\"pong\",\"ref\":[1]}"));
	wsop_add_pong(&b, none);
	CU_ASSERT(frame_is(&b, "{\"op\":\"pong\"}"));
}

static void
news_tell_the_cursor(void)
{
	struct buf b;

	buf_init(&b, 0);
	wsop_add_gap(&b, none, 5, 1);
	CU_ASSERT(frame_is(
	    &b, "{\"op\":\"gap\",\"gap\":true,\"cursor\":\"5.00000001\"}"));
	wsop_add_gap(&b, SLICE("a/*"), 5, 1);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"gap\",\"gap\":true,\"channel\":\"a/*\","
	    "\"cursor\":\"5.00000001\"}"));
	wsop_add_heartbeat(&b, 5, 1);
	CU_ASSERT(
	    frame_is(&b, "{\"op\":\"heartbeat\",\"cursor\":\"5.00000001\"}"));
}

static void
errors_tell_status_and_what_to_change(void)
{
	struct buf b;

	buf_init(&b, 0);
	wsop_add_error(&b, SLICE("1"), RC_DENIED, "a \"b\"", 9);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"error\",\"ref\":1,\"status\":403,"
	    "\"title\":\"Forbidden\",\"detail\":\"a \\\"b\\\"\"}"));
	wsop_add_error(&b, none, RC_BAD, "cut \xc3", 9);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"error\",\"status\":400,\"title\":\"Bad Request\","
	    "\"detail\":\"cut \xef\xbf\xbd\"}"));
	wsop_add_error(&b, none, RC_RATE, "", 9);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"error\",\"status\":429,"
	    "\"title\":\"Too Many Requests\",\"detail\":\"\",\"retry\":9}"));
	wsop_add_error(&b, none, RC_BUSY, "", 2);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"error\",\"status\":503,"
	    "\"title\":\"Service Unavailable\",\"detail\":\"\",\"retry\":2}"));
}

static void
frames_follow_each_other_in_a_buffer(void)
{
	struct buf b;

	buf_init(&b, 0);
	wsop_add_pong(&b, none);
	wsop_add_pong(&b, none);
	CU_ASSERT(slice_is(buf_slice(&b),
	    SLICE("\x81\x0d{\"op\":\"pong\"}\x81\x0d{\"op\":\"pong\"}")));
	buf_fini(&b);
}

/* ---- messages ---- */

/* What stands around the data of message_of(). */
#define AROUND_BYTES \
	(sizeof "{'op':'message','seq':124,'channel':'chat/a'," \
	        "'time':1795324528684,'data':''}" - \
	    1)

static char data[70000];

/* A message whose data is of n bytes that compress well. */
static struct message
message_of(size_t n)
{
	memset(data, 'x', sizeof data);
	return (struct message){.seq = 124,
	    .time_ms = 1795324528684,
	    .channel = SLICE("chat/a"),
	    .data = {data, n}};
}

static void
message_is_a_frame_with_the_object(void)
{
	struct message m = message_of(3);
	struct buf b;

	buf_init(&b, 0);
	wsop_add_message(&b, &m, NULL, 15);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"message\",\"seq\":124,\"channel\":\"chat/a\","
	    "\"time\":1795324528684,\"data\":\"xxx\"}"));
	m.event = SLICE("e");
	m.id = SLICE("i");
	m.data = SLICE("[1,\"</script>\"]");
	m.is_json = true;
	wsop_add_message(&b, &m, NULL, 15);
	CU_ASSERT(frame_is(&b,
	    "{\"op\":\"message\",\"seq\":124,\"channel\":\"chat/a\","
	    "\"time\":1795324528684,\"event\":\"e\",\"id\":\"i\","
	    "\"data\":[1,\"</script>\"]}"));
}

static void
every_form_of_length_is_written(void)
{
	static const size_t sizes[] = {
	    0, 40, 50, 60, 1000, 65430, 65450, 70000};
	struct buf b;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct message m = message_of(sizes[i]);
		char want[WSFRAME_HEAD_MAX_BYTES];
		size_t text_n = sizes[i] + AROUND_BYTES;
		size_t n = wsframe_put_head(want, WS_TEXT, false, text_n);

		buf_init(&b, 0);
		wsop_add_message(&b, &m, NULL, 15);
		CU_ASSERT_EQUAL(b.n, n + text_n);
		CU_ASSERT(memcmp(b.p, want, n) == 0);
		CU_ASSERT(memcmp(b.p + n, "{\"op\"", 5) == 0);
		CU_ASSERT(memcmp(b.p + b.n - 2, "\"}", 2) == 0);
		buf_fini(&b);
	}
}

/* The text of the one frame in b, inflated if need be. */
static void
read_frame(const struct buf *b, struct buf *text)
{
	struct inflater *f;
	struct slice payload = slice_after(buf_slice(b), 2);

	buf_init(text, 0);
	CU_ASSERT_FATAL(b->rc == RC_OK && b->n > 2);
	if (b->p[1] == 126)
		payload = slice_after(payload, 2);
	else if (b->p[1] == 127)
		payload = slice_after(payload, 8);
	if (((unsigned char)b->p[0] & 0x40) == 0) {
		buf_add_slice(text, payload);
		return;
	}
	CU_ASSERT_FATAL(inflater_new(&f, NULL) == RC_OK);
	CU_ASSERT_EQUAL(inflater_add(f, text, payload, NULL), RC_OK);
	inflater_free(f);
}

/* Whether the message of n bytes comes deflated; it must say the same. */
static bool
comes_deflated(struct deflater *d, size_t n, uint8_t window_bits)
{
	struct message m = message_of(n);
	struct buf b, plain, text, plain_text;
	bool is_deflated;

	buf_init(&b, 0);
	buf_init(&plain, 0);
	wsop_add_message(&b, &m, d, window_bits);
	wsop_add_message(&plain, &m, NULL, 15);
	read_frame(&b, &text);
	read_frame(&plain, &plain_text);
	CU_ASSERT(slice_is(buf_slice(&text), buf_slice(&plain_text)));
	is_deflated = ((unsigned char)b.p[0] & 0x40) != 0;
	CU_ASSERT(is_deflated ? b.n < plain.n
	                      : slice_is(buf_slice(&b), buf_slice(&plain)));
	buf_fini(&b);
	buf_fini(&plain);
	buf_fini(&text);
	buf_fini(&plain_text);
	return is_deflated;
}

static void
message_is_deflated_where_that_fits(void)
{
	struct deflater *d;

	CU_ASSERT_FATAL(deflater_new(&d, 15, NULL) == RC_OK);
	CU_ASSERT(comes_deflated(d, 1000, 15));
	CU_ASSERT(comes_deflated(d, 69000, 15));
	/* the whole text counts */
	for (uint8_t bits = 9; bits < 15; bits++) {
		size_t fits = ((size_t)1 << bits) - AROUND_BYTES;

		CU_ASSERT(comes_deflated(d, fits, bits));
		CU_ASSERT(!comes_deflated(d, fits + 1, bits));
	}
	deflater_free(d);
}

static void
message_that_deflating_makes_no_shorter_stays_as_it_is(void)
{
	/* letters of many alphabets: nothing repeats */
	struct slice letters = SLICE(
	    "\xc6\xa0\xd4\xa2\xd8\xb2\xd0\xaa\xc9\xbf\xc7\xbd\xdc\x9e\xc4\xad"
	    "\xd5\xac\xd1\xa8\xdc\x9b\xd8\x93\xc2\x93\xc4\xb9\xd7\xbe\xc8\x96"
	    "\xdc\x83\xdc\x94\xdd\x85\xcc\x9c\xd9\x9e\xd9\xab\xd1\xa3\xd4\x91"
	    "\xd1\xac\xc5\x9a\xc7\xb3\xc8\xab\xd7\xbb\xd5\xaf\xc8\x94\xcb\xbf");
	struct message m = message_of(0);
	struct deflater *d;
	struct buf b, plain;

	CU_ASSERT_FATAL(deflater_new(&d, 15, NULL) == RC_OK);
	m.data = letters;
	buf_init(&b, 0);
	buf_init(&plain, 0);
	wsop_add_message(&b, &m, d, 15);
	wsop_add_message(&plain, &m, NULL, 15);
	CU_ASSERT(slice_is(buf_slice(&b), buf_slice(&plain)));
	buf_fini(&b);
	buf_fini(&plain);
	deflater_free(d);
}

static void
failing_memory_sticks_in_the_buffer(void)
{
	struct message m = message_of(1000);
	struct deflater *d;
	struct buf b;
	bool has_failed = true;
	unsigned tried = 0;

	CU_ASSERT_FATAL(deflater_new(&d, 15, NULL) == RC_OK);
	for (; has_failed && tried < 50; tried++) {
		buf_init(&b, 0);
		fail_alloc_after(tried);
		wsop_add_message(&b, &m, d, 15);
		wsop_add_error(&b, none, RC_BAD, "x", 0);
		has_failed = fail_alloc_end();
		CU_ASSERT_EQUAL(b.rc, has_failed ? RC_NOMEM : RC_OK);
		buf_fini(&b);
	}
	CU_ASSERT(tried > 3 && tried < 50);
	buf_init(&b, 20);
	wsop_add_message(&b, &m, NULL, 15);
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_fini(&b);
	deflater_free(d);
}

CU_TestInfo test_wsop[] = {{"each_op_is_read", each_op_is_read},
    {"subscription_begins_where_it_is_told",
        subscription_begins_where_it_is_told},
    {"bad_beginnings_are_refused", bad_beginnings_are_refused},
    {"what_is_no_op_is_refused_with_what_would_be",
        what_is_no_op_is_refused_with_what_would_be},
    {"published_message_is_checked_like_any_other",
        published_message_is_checked_like_any_other},
    {"ref_is_known_whatever_else_is_wrong",
        ref_is_known_whatever_else_is_wrong},
    {"ref_is_bounded", ref_is_bounded},
    {"every_truncation_is_refused", every_truncation_is_refused},
    {"answers_tell_the_ref_and_the_cursor",
        answers_tell_the_ref_and_the_cursor},
    {"news_tell_the_cursor", news_tell_the_cursor},
    {"errors_tell_status_and_what_to_change",
        errors_tell_status_and_what_to_change},
    {"frames_follow_each_other_in_a_buffer",
        frames_follow_each_other_in_a_buffer},
    {"message_is_a_frame_with_the_object", message_is_a_frame_with_the_object},
    {"every_form_of_length_is_written", every_form_of_length_is_written},
    {"message_is_deflated_where_that_fits",
        message_is_deflated_where_that_fits},
    {"message_that_deflating_makes_no_shorter_stays_as_it_is",
        message_that_deflating_makes_no_shorter_stays_as_it_is},
    {"failing_memory_sticks_in_the_buffer",
        failing_memory_sticks_in_the_buffer},
    CU_TEST_INFO_NULL};

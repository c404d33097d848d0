/* Messages in each form: exact bytes, and what a reader makes of them. */
#include "../sse_reader.h"
#include "tests.h"
#include "wire/encode.h"
#include "wire/json.h"
#include "wire/sse.h"

#include <stdlib.h>

#define EPOCH 0x9f3a1c22u

static const struct encode forms[] = {
    [FORM_SSE] = {.form = FORM_SSE, .epoch = EPOCH},
    [FORM_SSE_JSON] = {.form = FORM_SSE_JSON, .epoch = EPOCH},
    [FORM_NDJSON] = {.form = FORM_NDJSON, .epoch = EPOCH},
    [FORM_SCRIPT] = {.form = FORM_SCRIPT,
        .epoch = EPOCH,
        .callback = {"parent.comet", 12}},
    [FORM_WS] = {.form = FORM_WS, .epoch = EPOCH},
    [FORM_WS_DEFLATE] = {.form = FORM_WS_DEFLATE, .epoch = EPOCH},
    [FORM_BAYEUX] = {.form = FORM_BAYEUX, .epoch = EPOCH},
    [FORM_BAYEUX_REPLAY] = {.form = FORM_BAYEUX_REPLAY, .epoch = EPOCH},
    [FORM_OBJECT] = {.form = FORM_OBJECT, .epoch = EPOCH},
};

static struct message
a_message(struct slice data)
{
	return (struct message){.seq = 124,
	    .time_ms = 1795324528684,
	    .channel = SLICE("chat/room1"),
	    .data = data};
}

static bool
holds(struct slice s, const char *part)
{
	return s.n > 0 && memmem(s.p, s.n, part, strlen(part)) != NULL;
}

/* Takes what b holds: true if it is text. */
static bool
took(struct buf *b, const char *text)
{
	bool is_same = b->rc == RC_OK && slice_is(buf_slice(b), slice_of(text));

	if (!is_same)
		fprintf(stderr, "\ngot: %.*s\n", (int)b->n, b->p);
	buf_fini(b);
	return is_same;
}

static bool
writes(enum form form, struct message m, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	encode_message(&b, &forms[form], &m);
	return took(&b, text);
}

static void
sse_record_has_the_cursor_the_event_and_the_data(void)
{
	struct message m = a_message(SLICE("hello"));

	m.id = SLICE("order-77");
	CU_ASSERT(writes(FORM_SSE, m, "id: 124.9f3a1c22\ndata: hello\n\n"));
	m.event = SLICE("greet");
	CU_ASSERT(writes(
	    FORM_SSE, m, "id: 124.9f3a1c22\nevent: greet\ndata: hello\n\n"));
	m.event = SLICE("");
	CU_ASSERT(writes(FORM_SSE, m, "id: 124.9f3a1c22\ndata: hello\n\n"));
	m.data = SLICE("{\"a\":[1,2]}");
	m.is_json = true;
	CU_ASSERT(
	    writes(FORM_SSE, m, "id: 124.9f3a1c22\ndata: {\"a\":[1,2]}\n\n"));
}

static void
sse_every_line_end_begins_a_data_line(void)
{
	CU_ASSERT(writes(FORM_SSE, a_message(SLICE("a\nb\rc\r\nd\n\re\r\rf")),
	    "id: 124.9f3a1c22\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n"
	    "data: e\ndata: \ndata: f\n\n"));
}

static void
sse_json_form_holds_the_object(void)
{
	struct message m = a_message(SLICE("a\nb"));

	m.event = SLICE("greet");
	CU_ASSERT(writes(FORM_SSE_JSON, m,
	    "id: 124.9f3a1c22\nevent: greet\ndata: {\"seq\":124,"
	    "\"channel\":\"chat/room1\",\"time\":1795324528684,"
	    "\"event\":\"greet\",\"data\":\"a\\nb\"}\n\n"));
}

/* What a browser gets from one record: exactly one event, m's. */
static bool
comes_back(const struct message *m, const char *type)
{
	struct sse_reader r;
	struct buf b, want;
	bool is_same;

	buf_init(&b, 0);
	buf_init(&want, 0);
	sse_reader_init(&r);
	encode_message(&b, &forms[FORM_SSE], m);
	sse_reader_feed(&r, buf_slice(&b));
	sse_reader_normalise(&want, m->data);
	is_same = r.n_events == 1 && r.n_unknown == 0 && r.line.n == 0 &&
	    slice_is(buf_slice(&r.last_id), SLICE("124.9f3a1c22")) &&
	    slice_is(buf_slice(&r.event_type), slice_of(type)) &&
	    slice_is(buf_slice(&r.event_data), buf_slice(&want));
	sse_reader_fini(&r);
	buf_fini(&want);
	buf_fini(&b);
	return is_same;
}

static void
sse_lone_cr_cannot_forge_a_field(void)
{
	static const char *const hostile[] = {
	    "a\rid: 999.00000000\revent: forged\r\rdata: other\r\r",
	    "a\nid: 999.00000000\nevent: forged\n\ndata: other\n\n",
	    "a\r\nid: 999.00000000\r\n\r\ndata: other\r\n\r\n", "\rretry: 1\r",
	    "\n\r\n\rid\r", ":\r:\r", "\r", "\n", "\r\n"};

	for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		struct message m = a_message(slice_of(hostile[i]));

		CU_ASSERT(comes_back(&m, "message"));
	}
}

static void
sse_every_short_text_comes_back(void)
{
	static const char alphabet[] = "\r\n :ab";
	char text[6];

	for (size_t n = 0; n <= sizeof text; n++) {
		size_t many = 1, good = 0;

		for (size_t i = 0; i < n; i++)
			many *= sizeof alphabet - 1;
		for (size_t k = 0; k < many; k++) {
			struct message m = a_message((struct slice){text, n});
			size_t rest = k;

			for (size_t i = 0; i < n; i++) {
				text[i] = alphabet[rest % 6];
				rest /= 6;
			}
			good += comes_back(&m, "message");
		}
		CU_ASSERT_EQUAL(good, many);
	}
}

static void
sse_empty_data_is_dispatched(void)
{
	struct message m = a_message(SLICE(""));

	CU_ASSERT(comes_back(&m, "message"));
	m.data = (struct slice){NULL, 0};
	CU_ASSERT(comes_back(&m, "message"));
	CU_ASSERT(writes(FORM_SSE, m, "id: 124.9f3a1c22\ndata: \n\n"));
}

static void
sse_line_end_in_an_event_name_is_a_space(void)
{
	struct message m = a_message(SLICE("x"));

	m.event = SLICE(" a\rid: 9\n\nb ");
	CU_ASSERT(comes_back(&m, " a id: 9  b "));
	m.event = SLICE("\xc3\xa9t\xc3\xa9: \xe2\x82\xac");
	CU_ASSERT(comes_back(&m, "\xc3\xa9t\xc3\xa9: \xe2\x82\xac"));
}

static void
object_has_the_members_in_order(void)
{
	struct message m = a_message(SLICE("hi \"you\"\n"));

	CU_ASSERT(writes(FORM_OBJECT, m,
	    "{\"seq\":124,\"channel\":\"chat/room1\",\"time\":1795324528684,"
	    "\"data\":\"hi \\\"you\\\"\\n\"}"));
	m.event = SLICE("greet");
	m.id = SLICE("order-77");
	m.data = SLICE("{\"a\":null}");
	m.is_json = true;
	CU_ASSERT(writes(FORM_OBJECT, m,
	    "{\"seq\":124,\"channel\":\"chat/room1\",\"time\":1795324528684,"
	    "\"event\":\"greet\",\"id\":\"order-77\",\"data\":{\"a\":null}}"));
}

static void
object_holds_the_extremes(void)
{
	struct message m = {.seq = INT64_MAX,
	    .time_ms = INT64_MIN,
	    .channel = SLICE("c"),
	    .event = SLICE(""),
	    .id = SLICE("")};

	CU_ASSERT(writes(FORM_OBJECT, m,
	    "{\"seq\":9223372036854775807,\"channel\":\"c\","
	    "\"time\":-9223372036854775808,\"event\":\"\",\"id\":\"\","
	    "\"data\":\"\"}"));
	m.time_ms = INT64_MAX;
	m.seq = 0;
	CU_ASSERT(writes(FORM_OBJECT, m,
	    "{\"seq\":0,\"channel\":\"c\",\"time\":9223372036854775807,"
	    "\"event\":\"\",\"id\":\"\",\"data\":\"\"}"));
}

static void
ndjson_is_one_line(void)
{
	CU_ASSERT(writes(FORM_NDJSON, a_message(SLICE("a\r\nb")),
	    "{\"seq\":124,\"channel\":\"chat/room1\",\"time\":1795324528684,"
	    "\"data\":\"a\\r\\nb\"}\n"));
}

static void
script_form_cannot_be_left(void)
{
	struct message m = a_message(SLICE("</script><!--\xe2\x80\xa8&"));
	struct slice got, close = SLICE(")</script>\n");
	struct buf b;

	CU_ASSERT(writes(FORM_SCRIPT, a_message(SLICE("hello")),
	    "<script>parent.comet({\"seq\":124,\"channel\":\"chat/room1\","
	    "\"time\":1795324528684,\"data\":\"hello\"})</script>\n"));
	m.channel = m.event = m.id = m.data;
	for (int is_json = 0; is_json < 2; is_json++) {
		m.is_json = is_json != 0;
		m.data = is_json ? SLICE("{\"</script>\":\"<!--\xe2\x80\xa9\"}")
		                 : m.data;
		buf_init(&b, 0);
		encode_message(&b, &forms[FORM_SCRIPT], &m);
		got = buf_slice(&b);
		CU_ASSERT(slice_starts(got, SLICE("<script>parent.comet({")));
		got = slice_after(got, 8);
		CU_ASSERT(slice_is(slice_after(got, got.n - close.n), close));
		got.n -= close.n;
		CU_ASSERT(!holds(got, "<"));
		CU_ASSERT(!holds(got, "&"));
		CU_ASSERT(!holds(got, "\xe2\x80"));
		buf_fini(&b);
	}
}

static void
opening_tells_the_cursor(void)
{
	struct sse_reader r;
	struct buf b;

	buf_init(&b, 0);
	encode_opening(&b, &forms[FORM_SSE], 7, 2100, false);
	sse_reader_init(&r);
	sse_reader_feed(&r, buf_slice(&b));
	CU_ASSERT_EQUAL(r.n_events, 0);
	CU_ASSERT(slice_is(buf_slice(&r.last_id), SLICE("7.9f3a1c22")));
	CU_ASSERT(slice_is(buf_slice(&r.retry), SLICE("2100")));
	sse_reader_fini(&r);
	CU_ASSERT(took(&b, "retry: 2100\nid: 7.9f3a1c22\n\n"));
	encode_opening(&b, &forms[FORM_SSE_JSON], 7, 0, false);
	CU_ASSERT(took(&b, "retry: 0\nid: 7.9f3a1c22\n\n"));
	encode_opening(&b, &forms[FORM_NDJSON], 7, 2100, false);
	CU_ASSERT(took(&b, "{\"heartbeat\":\"7.9f3a1c22\"}\n"));
}

static void
script_page_opens_with_padding_and_closes(void)
{
	struct slice got,
	    call = SLICE("<script>parent.comet({\"heartbeat\":"
	                 "\"7.9f3a1c22\"})</script>\n");
	struct buf b;

	buf_init(&b, 0);
	encode_opening(&b, &forms[FORM_SCRIPT], 7, 2100, false);
	got = buf_slice(&b);
	CU_ASSERT(got.n > 2048 + call.n);
	CU_ASSERT(slice_starts(got, SLICE("<!DOCTYPE html>\n")));
	CU_ASSERT(holds((struct slice){got.p, 256}, "charset=\"utf-8\""));
	CU_ASSERT(slice_is(slice_after(got, got.n - call.n), call));
	buf_clear(&b);
	encode_ending(&b, &forms[FORM_SCRIPT], 9000);
	CU_ASSERT(took(&b, "</body></html>"));
}

static void
heartbeat_tells_the_cursor_in_each_form(void)
{
	static const char *const texts[FORMS] = {
	    [FORM_SSE] = "id: 7.9f3a1c22\nevent: heartbeat\n"
	                 "data: 7.9f3a1c22\n\n",
	    [FORM_SSE_JSON] = "id: 7.9f3a1c22\nevent: heartbeat\n"
	                      "data: 7.9f3a1c22\n\n",
	    [FORM_NDJSON] = "{\"heartbeat\":\"7.9f3a1c22\"}\n",
	    [FORM_SCRIPT] = "<script>parent.comet({\"heartbeat\":"
	                    "\"7.9f3a1c22\"})</script>\n",
	    [FORM_WS] = "\x81({\"op\":\"heartbeat\",\"cursor\":\"7.9f3a1c22\"}",
	    [FORM_WS_DEFLATE] =
	        "\x81({\"op\":\"heartbeat\",\"cursor\":\"7.9f3a1c22\"}",
	    [FORM_BAYEUX] = "",
	    [FORM_BAYEUX_REPLAY] = "",
	    [FORM_OBJECT] = "{\"heartbeat\":\"7.9f3a1c22\"}",
	};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < FORMS; i++) {
		encode_heartbeat(&b, &forms[i], 7);
		CU_ASSERT(took(&b, texts[i]));
	}
}

static void
bayeux_event_is_a_frame_of_its_own(void)
{
	CU_ASSERT(writes(FORM_BAYEUX, a_message(SLICE("hello")),
	    "\x81\x2a["
	    "{\"channel\":\"/chat/room1\",\"data\":\"hello\"}]"));
}

static void
gap_tells_where_delivery_goes_on(void)
{
	static const char *const texts[FORMS] = {
	    [FORM_SSE] = "id: 7.9f3a1c22\nevent: gap\n"
	                 "data: {\"gap\":true,\"cursor\":\"7.9f3a1c22\"}\n\n",
	    [FORM_SSE_JSON] =
	        "id: 7.9f3a1c22\nevent: gap\n"
	        "data: {\"gap\":true,\"cursor\":\"7.9f3a1c22\"}\n\n",
	    [FORM_NDJSON] = "{\"gap\":true,\"cursor\":\"7.9f3a1c22\"}\n",
	    [FORM_SCRIPT] = "<script>parent.comet({\"gap\":true,"
	                    "\"cursor\":\"7.9f3a1c22\"})</script>\n",
	    [FORM_WS] =
	        "\x81-{\"op\":\"gap\",\"gap\":true,\"cursor\":\"7.9f3a1c22\"}",
	    [FORM_WS_DEFLATE] =
	        "\x81-{\"op\":\"gap\",\"gap\":true,\"cursor\":\"7.9f3a1c22\"}",
	    [FORM_BAYEUX] = "",
	    [FORM_BAYEUX_REPLAY] = "",
	    [FORM_OBJECT] = "{\"gap\":true,\"cursor\":\"7.9f3a1c22\"}",
	};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < FORMS; i++) {
		encode_gap(&b, &forms[i], 7);
		CU_ASSERT(took(&b, texts[i]));
	}
}

static void
ending_delays_the_return_where_it_can(void)
{
	struct buf b;

	buf_init(&b, 0);
	encode_ending(&b, &forms[FORM_SSE], 0);
	CU_ASSERT(took(&b, ""));
	encode_ending(&b, &forms[FORM_SSE_JSON], 30000);
	CU_ASSERT(took(&b, "retry: 30000\n\n"));
	encode_ending(&b, &forms[FORM_NDJSON], 30000);
	CU_ASSERT(took(&b, ""));
}

static void
add_poll(struct buf *b, const char *callback, size_t n, bool is_gap)
{
	struct message m = a_message(SLICE("<b>"));
	struct poll_answer a;

	m.channel = SLICE("c");
	m.time_ms = 5;
	encode_poll_begin(b, &a, slice_of(callback), is_gap);
	for (size_t i = 0; i < n; i++, m.seq++)
		encode_poll_message(b, &a, &m);
	encode_poll_end(b, &a, 125, EPOCH, n == 1, is_gap);
}

static void
poll_answer_is_one_json_object(void)
{
	struct buf b;

	buf_init(&b, 0);
	add_poll(&b, NULL, 0, false);
	CU_ASSERT(took(&b,
	    "{\"messages\":[],\"cursor\":\"125.9f3a1c22\",\"more\":false}"));
	add_poll(&b, NULL, 1, true);
	CU_ASSERT(took(&b,
	    "{\"gap\":true,\"messages\":[{\"seq\":124,\"channel\":\"c\","
	    "\"time\":5,\"data\":\"<b>\"}],\"cursor\":\"125.9f3a1c22\","
	    "\"more\":true,\"degraded\":true}"));
	add_poll(&b, NULL, 2, false);
	CU_ASSERT(took(&b,
	    "{\"messages\":[{\"seq\":124,\"channel\":\"c\",\"time\":5,"
	    "\"data\":\"<b>\"},{\"seq\":125,\"channel\":\"c\",\"time\":5,"
	    "\"data\":\"<b>\"}],\"cursor\":\"125.9f3a1c22\","
	    "\"more\":false}"));
}

static void
poll_answer_calls_back(void)
{
	struct buf b;

	buf_init(&b, 0);
	add_poll(&b, "app.on", 1, false);
	CU_ASSERT(took(&b,
	    "/**/app.on({\"messages\":[{\"seq\":124,\"channel\":\"c\","
	    "\"time\":5,\"data\":\"\\u003cb\\u003e\"}],"
	    "\"cursor\":\"125.9f3a1c22\",\"more\":true});"));
}

static void
callback_is_a_dotted_name(void)
{
	static const char *const good[] = {
	    "f", "parent.comet", "_", "$", "a.b.c", "aZ9_$", DEFAULT_CALLBACK};
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "1a",
	    "a.1", "a b", "a(", "a;b", "a[0]", "\xc3\xa9", "a\n", "a-b", "a@",
	    "a`", "a{"};
	char name[129];
	struct err e;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		CU_ASSERT_EQUAL(callback_check(slice_of(good[i]), &e), RC_OK);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CU_ASSERT_EQUAL(callback_check(slice_of(bad[i]), &e), RC_BAD);
	CU_ASSERT_EQUAL(callback_check((struct slice){"a\0b", 3}, &e), RC_BAD);
	memset(name, 'a', sizeof name);
	CU_ASSERT_EQUAL(callback_check((struct slice){name, 128}, &e), RC_OK);
	CU_ASSERT_EQUAL(callback_check((struct slice){name, 129}, &e), RC_BAD);
	CU_ASSERT(holds(slice_of(e.text), "128"));
}

/* Everything that a form can write, one after another. */
static void
add_all(struct buf *b, const struct encode *how)
{
	struct message m = a_message(SLICE("a\r\n<\"\xe2\x80\xa8\x01\n"));

	m.event = SLICE("greet");
	m.id = SLICE("order-77");
	encode_opening(b, how, 7, 2000, false);
	encode_gap(b, how, 8);
	encode_message(b, how, &m);
	m.is_json = true;
	m.data = SLICE("[\"<\",1]");
	encode_message(b, how, &m);
	encode_heartbeat(b, how, 9);
	encode_ending(b, how, 3000);
	add_poll(b, "app.on", 2, true);
}

static void
the_same_message_gives_the_same_bytes(void)
{
	struct buf one, two;

	for (size_t i = 0; i < FORMS; i++) {
		buf_init(&one, 0);
		buf_init(&two, 0);
		add_all(&one, &forms[i]);
		buf_add_text(&two, "what was there before");
		add_all(&two, &forms[i]);
		buf_drop(&two, 21);
		CU_ASSERT(slice_is(buf_slice(&one), buf_slice(&two)));
		buf_fini(&one);
		buf_fini(&two);
	}
}

static void
a_bound_holds_at_every_length(void)
{
	struct buf whole, part;

	for (size_t i = 0; i < FORMS; i++) {
		if (form_is_ws(forms[i].form))
			continue; /* a frame is written once it is whole */
		buf_init(&whole, 0);
		add_all(&whole, &forms[i]);
		for (size_t limit = 1; limit <= whole.n; limit++) {
			bool fits = limit == whole.n;

			buf_init(&part, limit);
			add_all(&part, &forms[i]);
			if (part.rc != (fits ? RC_OK : RC_TOO_LARGE) ||
			    part.n > limit ||
			    !slice_starts(buf_slice(&whole), buf_slice(&part)))
				CU_FAIL("over the bound, or other bytes");
			buf_fini(&part);
		}
		buf_fini(&whole);
	}
}

static void
a_message_fits_a_bound_of_its_own_length(void)
{
	static const char *const texts[] = {"", "hello", "a\r\nb\n", "\r\r<"};
	struct buf whole, part;

	for (size_t i = 0; i < FORMS; i++) {
		if (form_is_ws(forms[i].form))
			continue;
		for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
			struct message m = a_message(slice_of(texts[k]));

			buf_init(&whole, 0);
			encode_message(&whole, &forms[i], &m);
			buf_init(&part, whole.n);
			encode_message(&part, &forms[i], &m);
			CU_ASSERT_EQUAL(part.rc, RC_OK);
			buf_fini(&part);
			buf_fini(&whole);
		}
	}
}

static void
each_form_has_its_content_type(void)
{
	CU_ASSERT_STRING_EQUAL(
	    form_content_type(FORM_SSE), "text/event-stream");
	CU_ASSERT_STRING_EQUAL(
	    form_content_type(FORM_SSE_JSON), "text/event-stream");
	CU_ASSERT_STRING_EQUAL(
	    form_content_type(FORM_NDJSON), "application/x-ndjson");
	CU_ASSERT_STRING_EQUAL(
	    form_content_type(FORM_SCRIPT), "text/html; charset=utf-8");
	CU_ASSERT_STRING_EQUAL(
	    form_content_type(FORM_OBJECT), "application/json");
}

#define T(name) \
	{ \
#name, name \
	}

static void
websocket_frame_has_the_message_with_its_op(void)
{
	CU_ASSERT(writes(FORM_WS, a_message(SLICE("hello")),
	    "\x81"
	    "U{\"op\":\"message\",\"seq\":124,\"channel\":"
	    "\"chat/room1\",\"time\":1795324528684,\"data\":\"hello\"}"));
}

static void
websocket_opening_says_the_cursor_then_the_gap(void)
{
	struct buf b;

	buf_init(&b, 0);
	encode_opening(&b, &forms[FORM_WS], 7, 2100, true);
	CU_ASSERT(holds(
	    buf_slice(&b), "{\"op\":\"ok\",\"cursor\":\"7.9f3a1c22\"}\x81"));
	CU_ASSERT(holds(buf_slice(&b), "{\"op\":\"gap\","));
	CU_ASSERT(!holds(buf_slice(&b), "heartbeat"));
	buf_fini(&b);
}

CU_TestInfo test_encode[] = {{"websocket_frame_has_the_message_with_its_op",
                                 websocket_frame_has_the_message_with_its_op},
    {"websocket_opening_says_the_cursor_then_the_gap",
        websocket_opening_says_the_cursor_then_the_gap},
    T(sse_record_has_the_cursor_the_event_and_the_data),
    T(sse_every_line_end_begins_a_data_line), T(sse_json_form_holds_the_object),
    T(sse_lone_cr_cannot_forge_a_field), T(sse_every_short_text_comes_back),
    T(sse_empty_data_is_dispatched),
    T(sse_line_end_in_an_event_name_is_a_space),
    T(object_has_the_members_in_order), T(object_holds_the_extremes),
    T(ndjson_is_one_line), T(script_form_cannot_be_left),
    T(opening_tells_the_cursor), T(script_page_opens_with_padding_and_closes),
    T(heartbeat_tells_the_cursor_in_each_form),
    T(gap_tells_where_delivery_goes_on), T(bayeux_event_is_a_frame_of_its_own),
    T(ending_delays_the_return_where_it_can), T(poll_answer_is_one_json_object),
    T(poll_answer_calls_back), T(callback_is_a_dotted_name),
    T(the_same_message_gives_the_same_bytes), T(a_bound_holds_at_every_length),
    T(a_message_fits_a_bound_of_its_own_length),
    T(each_form_has_its_content_type), CU_TEST_INFO_NULL};

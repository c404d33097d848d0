/* What a publisher sends, in each of its content types. */
#include "base/buf.h"
#include "fail_alloc.h"
#include "tests.h"
#include "wire/envelope.h"

#include <stdio.h>
#include <stdlib.h>

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"
#define NDJSON "application/x-ndjson"

static const struct envelope_limits limits = {
    .message_bytes = 64, .messages = 20};

/* One request and what became of it. */
struct sent {
	struct params query;
	char query_text[400];
	struct slice path_channel;
	struct envelope env;
	struct err err;
	enum rc rc;
	char *body; /* of exactly the given size */
};

static void
send_body(struct sent *s, const char *type, struct slice body)
{
	struct envelope_source from = {
	    .content_type = slice_of(type),
	    .path_channel = s->path_channel,
	    .query = &s->query,
	};

	if (query_parse(s->query_text, strlen(s->query_text), &s->query, NULL))
		CU_FAIL("bad query in a test");
	s->body = malloc(body.n + (body.n == 0));
	if (body.n > 0)
		memcpy(s->body, body.p, body.n);
	s->rc =
	    envelope_parse(&from, s->body, body.n, &limits, &s->env, &s->err);
}

static void
done(struct sent *s)
{
	envelope_fini(&s->env);
	free(s->body);
}

/* "channel|event|id|data|json" of message i, '-' for what is absent. */
static const char *
shown(const struct sent *s, size_t i, char text[600])
{
	const struct message *m = &s->env.message[i];

	if (s->rc != RC_OK || i >= s->env.n)
		return s->err.text;
	snprintf(text, 600, "%.*s|%.*s|%.*s|%.*s|%s", (int)m->channel.n,
	    m->channel.p, m->event.p ? (int)m->event.n : 1,
	    m->event.p ? m->event.p : "-", m->id.p ? (int)m->id.n : 1,
	    m->id.p ? m->id.p : "-", (int)m->data.n, m->data.p,
	    m->is_json ? "json" : "text");
	return text;
}

/* Sends body and compares the one message with `want`. */
static bool
gives(const char *path, const char *query, const char *type, const char *body,
    const char *want)
{
	struct sent s = {.path_channel = slice_of(path)};
	char text[600];
	bool is_same;

	snprintf(s.query_text, sizeof s.query_text, "%s", query);
	send_body(&s, type, slice_of(body));
	is_same = strcmp(shown(&s, 0, text), want) == 0;
	is_same = is_same && s.env.n == 1 && !s.env.is_array;
	if (!is_same)
		fprintf(stderr, "\ngot: %s\n", shown(&s, 0, text));
	done(&s);
	return is_same;
}

/* Sends body without path and query and expects this failure. */
static bool
fails(const char *type, const char *body, enum rc rc, const char *why)
{
	struct sent s = {0};
	bool is_so;

	send_body(&s, type, slice_of(body));
	is_so = s.rc == rc && s.err.rc == rc && strstr(s.err.text, why) &&
	    s.env.n == 0 && s.env.message == NULL;
	if (!is_so)
		fprintf(stderr, "\ngot: %s %s\n", rc_name(s.rc), s.err.text);
	done(&s);
	return is_so;
}

static void
form_fields_make_a_message(void)
{
	CU_ASSERT(gives(NULL, "", FORM,
	    "channel=%2Fchat%2Froom1&data=a+b%0A&event=greet&id=order-77",
	    "chat/room1|greet|order-77|a b\n|text"));
	CU_ASSERT(gives(NULL, "", FORM "; charset=UTF-8",
	    "channel=a&data=%7B%7D", "a|-|-|{}|text"));
	CU_ASSERT(gives(NULL, "", FORM, "channel=a", "a|-|-||text"));
	CU_ASSERT(gives("a", "", FORM, "", "a|-|-||text"));
}

static void
multipart_fields_make_a_message(void)
{
	CU_ASSERT(gives(NULL, "", "multipart/form-data; boundary=XX",
	    "--XX\r\nContent-Disposition: form-data; "
	    "name=\"channel\"\r\n\r\na\r\n"
	    "--XX\r\nContent-Disposition: form-data; "
	    "name=\"data\"\r\n\r\nx\r\ny\r\n"
	    "--XX--\r\n",
	    "a|-|-|x\r\ny|text"));
	CU_ASSERT(fails("multipart/form-data", "--XX--", RC_BAD, "boundary"));
	CU_ASSERT(fails(
	    "multipart/form-data; boundary=XX", "--XX", RC_BAD, "boundary"));
}

static void
text_is_data_as_it_is(void)
{
	CU_ASSERT(gives(
	    "a", "", "text/plain", " {\"x\": 1} ", "a|-|-| {\"x\": 1} |text"));
	CU_ASSERT(gives(
	    "a", "", "Text/Plain;charset=\"UTF-8\"", "x", "a|-|-|x|text"));
	CU_ASSERT(
	    gives("a", "", "text/plain; charset=us-ascii", "", "a|-|-||text"));
	CU_ASSERT(gives("a", "", NULL, "x", "a|-|-|x|text"));
	CU_ASSERT(gives("a", "", "", "x", "a|-|-|x|text"));
	CU_ASSERT(
	    gives(NULL, "channel=a&event=e&id=i", NULL, "x", "a|e|i|x|text"));
	CU_ASSERT(
	    fails("text/plain; charset=iso-8859-1", "x", RC_MEDIA, "utf-8"));
}

static void
unknown_content_type_lists_what_is_accepted(void)
{
	CU_ASSERT(fails("application/xml", "x", RC_MEDIA, "application/json"));
	CU_ASSERT(fails("application/json-patch", "x", RC_MEDIA, "text/plain"));
}

static void
json_body_is_data_when_the_path_has_the_channel(void)
{
	CU_ASSERT(gives(
	    "a", "", JSON, " { \"x\" : [ 1 ] } ", "a|-|-|{\"x\":[1]}|json"));
	CU_ASSERT(gives("a", "id=i", JSON "; charset=utf-8", "\"h\\u00e9\\n\"",
	    "a|-|i|h\xc3\xa9\n|text"));
	CU_ASSERT(gives("a", "", JSON, "[]", "a|-|-|[]|json"));
	CU_ASSERT(gives("a", "", JSON, "null", "a|-|-|null|json"));
	CU_ASSERT(gives("a", "", JSON, "{\"channel\":\"b\",\"data\":1}",
	    "a|-|-|{\"channel\":\"b\",\"data\":1}|json"));
}

static void
json_object_makes_a_message(void)
{
	CU_ASSERT(gives(NULL, "", JSON,
	    "{\"id\":\"i\\/\",\"more\":[{\"data\":3}],\"event\":\"e\","
	    " \"data\": {\"x\" : \"\\n\"}, \"channel\":\"\\/caf\\u00e9\"}",
	    "caf\xc3\xa9|e|i/|{\"x\":\"\\n\"}|json"));
	CU_ASSERT(gives(NULL, "", JSON,
	    "{\"\\u0064ata\":\"\",\"channel\":\"a\"}", "a|-|-||text"));
	CU_ASSERT(gives(
	    NULL, "channel=q", JSON, "{\"data\":false}", "q|-|-|false|json"));
	CU_ASSERT(gives(NULL, "", JSON,
	    "\xef\xbb\xbf{\"channel\":\"a\",\"data\":1}", "a|-|-|1|json"));
}

static void
last_of_equal_members_counts(void)
{
	CU_ASSERT(gives(NULL, "", JSON,
	    "{\"channel\":7,\"data\":1,\"channel\":\"a\",\"data\":\"\\t\","
	    "\"id\":\"x\",\"id\":\"y\",\"event\":\"e\",\"event\":null}",
	    "a|-|y|\t|text"));
}

static void
path_wins_over_field_and_field_over_query(void)
{
	CU_ASSERT(gives("p", "channel=q", FORM, "channel=f", "p|-|-||text"));
	CU_ASSERT(gives(NULL, "channel=q", FORM, "channel=f", "f|-|-||text"));
	CU_ASSERT(gives(NULL, "channel=q", FORM, "data=x", "q|-|-|x|text"));
	CU_ASSERT(
	    gives("p", "event=qe&id=qi", FORM, "event=fe", "p|fe|qi||text"));
	CU_ASSERT(gives(NULL, "event=qe&id=qi", JSON,
	    "{\"channel\":\"a\",\"data\":1,\"id\":\"fi\"}", "a|qe|fi|1|json"));
}

static void
empty_event_and_id_count_as_none(void)
{
	CU_ASSERT(gives("a", "id=&event=", FORM, "event=&id=", "a|-|-||text"));
	CU_ASSERT(gives("a", "id=q", FORM, "id=", "a|-|q||text"));
	CU_ASSERT(gives(NULL, "", JSON,
	    "{\"channel\":\"a\",\"data\":1,\"id\":\"\",\"event\":null}",
	    "a|-|-|1|json"));
}

static void
json_array_makes_messages_in_order(void)
{
	struct sent s = {0};
	char text[600];

	send_body(&s, JSON,
	    SLICE("[ {\"channel\":\"a\",\"data\":1,\"id\":\"x\"},\n"
	          "{\"channel\":\"/b\",\"data\":\"two\"} ]"));
	CU_ASSERT_EQUAL(s.rc, RC_OK);
	CU_ASSERT(s.env.is_array);
	CU_ASSERT_EQUAL(s.env.n, 2);
	CU_ASSERT_EQUAL(s.env.bytes, 3 + 4);
	CU_ASSERT_STRING_EQUAL(shown(&s, 0, text), "a|-|x|1|json");
	CU_ASSERT_STRING_EQUAL(shown(&s, 1, text), "b|-|-|two|text");
	done(&s);
}

static void
ndjson_makes_a_message_of_each_line(void)
{
	struct sent s = {.path_channel = SLICE("p")};
	char text[600];

	send_body(&s, NDJSON,
	    SLICE("\xef\xbb\xbf{\"data\": 1}\r\n\n "
	          "\r\n{\"data\":\"x\",\"id\":\"i\"}"));
	CU_ASSERT_EQUAL(s.rc, RC_OK);
	CU_ASSERT(s.env.is_array);
	CU_ASSERT_EQUAL(s.env.n, 2);
	CU_ASSERT_STRING_EQUAL(shown(&s, 0, text), "p|-|-|1|json");
	CU_ASSERT_STRING_EQUAL(shown(&s, 1, text), "p|-|i|x|text");
	done(&s);
}

static void
redirect_is_a_form_field(void)
{
	struct sent s = {.query_text = "redirect=/no"};

	send_body(&s, FORM, SLICE("channel=a&redirect=%2Fchat.html"));
	CU_ASSERT(slice_is(s.env.redirect, SLICE("/chat.html")));
	done(&s);
	send_body(&s, FORM, SLICE("channel=a&redirect="));
	CU_ASSERT_EQUAL(s.rc, RC_OK);
	CU_ASSERT_PTR_NULL(s.env.redirect.p);
	done(&s);
}

static void
data_may_hold_any_character(void)
{
	struct sent s = {.path_channel = SLICE("a")};

	send_body(&s, JSON, SLICE("\"\\u0000\\u0001\x7f\""));
	CU_ASSERT_EQUAL(s.rc, RC_OK);
	CU_ASSERT(slice_is(s.env.message[0].data, SLICE("\0\x01\x7f")));
	done(&s);
	send_body(&s, "text/plain", SLICE("a\0b"));
	CU_ASSERT(slice_is(s.env.message[0].data, SLICE("a\0b")));
	done(&s);
}

static void
names_are_checked_whatever_their_way(void)
{
	CU_ASSERT(fails(FORM, "data=x", RC_BAD, "no channel"));
	CU_ASSERT(fails(FORM, "channel=", RC_BAD, "empty"));
	CU_ASSERT(fails(FORM, "channel=a%0Ab", RC_BAD, "control"));
	CU_ASSERT(fails(FORM, "channel=a*", RC_BAD, "'*'"));
	CU_ASSERT(fails(FORM, "channel=a%FF", RC_BAD, "UTF-8"));
	CU_ASSERT(
	    fails(FORM, "channel=a&id=%0D", RC_BAD, "the id has a control"));
	CU_ASSERT(fails(FORM, "channel=a&event=x%FF", RC_BAD, "the event"));
	CU_ASSERT(fails(FORM, "channel=a&data=%C3", RC_BAD, "not valid UTF-8"));
	CU_ASSERT(fails(
	    JSON, "{\"channel\":\"a\\u0000\",\"data\":1}", RC_BAD, "control"));
	CU_ASSERT(fails(JSON, "{\"channel\":\"a\",\"data\":1,\"id\":\"\\n\"}",
	    RC_BAD, "the id has a control"));
	CU_ASSERT(
	    fails(JSON, "{\"channel\":\"a\",\"data\":1,\"event\":\"\\u0085\"}",
	        RC_BAD, "the event has a control"));
	CU_ASSERT(fails(JSON, "{\"channel\":1,\"data\":1}", RC_BAD,
	    "\"channel\" must be a string"));
	CU_ASSERT(fails(JSON, "{\"channel\":\"a\",\"data\":1,\"id\":1}", RC_BAD,
	    "\"id\" must be a string"));
}

static void
programs_own_channels_are_denied(void)
{
	CU_ASSERT(fails(FORM, "channel=$sys", RC_DENIED, "'$'"));
	CU_ASSERT(fails(FORM, "channel=/$sys/x", RC_DENIED, "'$'"));
	CU_ASSERT(fails(
	    JSON, "{\"channel\":\"\\u0024x\",\"data\":1}", RC_DENIED, "'$'"));
	CU_ASSERT(gives(NULL, "", FORM, "channel=a/$", "a/$|-|-||text"));
}

static void
labels_have_at_most_255_bytes(void)
{
	struct sent s = {.path_channel = SLICE("a")};

	snprintf(s.query_text, sizeof s.query_text, "id=%0255d", 1);
	send_body(&s, NULL, SLICE(""));
	CU_ASSERT_EQUAL(s.rc, RC_OK);
	CU_ASSERT_EQUAL(s.env.message[0].id.n, 255);
	done(&s);
	snprintf(s.query_text, sizeof s.query_text, "event=%0256d", 1);
	send_body(&s, NULL, SLICE(""));
	CU_ASSERT_EQUAL(s.rc, RC_BAD);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.err.text, "the event has 256 bytes"));
	done(&s);
}

static void
data_is_bounded_after_decoding(void)
{
	struct sent s = {.path_channel = SLICE("a")};
	char body[200];

	for (int n = 63; n <= 65; n++) {
		snprintf(body, sizeof body, "%0*d", n, 1);
		send_body(&s, "text/plain", slice_of(body));
		CU_ASSERT_EQUAL(s.rc, n <= 64 ? RC_OK : RC_TOO_LARGE);
		done(&s);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(s.err.text, "at most 64"));
	memcpy(body, "\"\\u0041", 7);
	memset(body + 7, 'b', 63);
	memcpy(body + 70, "\"", 2);
	send_body(&s, JSON, slice_of(body));
	CU_ASSERT_EQUAL(s.rc, RC_OK);
	CU_ASSERT_EQUAL(s.env.n == 1 ? s.env.bytes : 0, 65);
	done(&s);
}

static void
messages_are_bounded_in_number(void)
{
	struct sent s = {.path_channel = SLICE("a")};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 1; i <= 21; i++) {
		buf_add_text(&b, "{\"data\":1}\n");
		send_body(&s, NDJSON, buf_slice(&b));
		CU_ASSERT_EQUAL(s.rc, i <= 20 ? RC_OK : RC_TOO_LARGE);
		CU_ASSERT_EQUAL(s.env.n, i <= 20 ? i : 0);
		done(&s);
	}
	CU_ASSERT_STRING_EQUAL(
	    s.err.text, "line 21: more than 20 messages in one request");
	buf_fini(&b);
}

static void
text_says_which_message_is_wrong(void)
{
	CU_ASSERT(fails(JSON, "[{\"channel\":\"a\",\"data\":1},{\"data\":1}]",
	    RC_BAD, "message 1: no channel"));
	CU_ASSERT(fails(JSON, "[{\"channel\":\"$a\",\"data\":1}]", RC_DENIED,
	    "message 0: channels that begin"));
	CU_ASSERT(
	    fails(JSON, "[1]", RC_BAD, "message 0: a message must be an"));
	CU_ASSERT(
	    fails(NDJSON, "{\"channel\":\"a\",\"data\":1}\n\n{\"data\":x}\n",
	        RC_BAD, "line 3: byte 8 of the JSON text: expected a value"));
	CU_ASSERT(fails(NDJSON, "[]", RC_BAD, "line 1: a message must be"));
	CU_ASSERT(fails(JSON, "{\"channel\":\"a\"}", RC_BAD, "no \"data\""));
	CU_ASSERT(fails(JSON, "[{}]", RC_BAD, "message 0: the message has no"));
	CU_ASSERT(fails(JSON, "7", RC_BAD, "must be an object"));
}

static void
empty_batch_is_refused(void)
{
	CU_ASSERT(fails(JSON, "[]", RC_BAD, "the array is empty"));
	CU_ASSERT(fails(JSON, "", RC_BAD, "empty"));
	CU_ASSERT(fails(JSON, "\xef\xbb\xbf", RC_BAD, "empty"));
	CU_ASSERT(fails(NDJSON, "", RC_BAD, "the body is empty"));
	CU_ASSERT(fails(NDJSON, "\r\n \n", RC_BAD, "the body is empty"));
}

static void
every_truncation_of_an_array_is_refused(void)
{
	struct slice whole = SLICE("[{\"channel\":\"a\",\"data\":{\"x\":[1]}},"
	                           "{\"channel\":\"b\",\"data\":\"\\u00e9\"}]");
	struct sent s = {0};

	for (size_t n = 0; n <= whole.n; n++) {
		send_body(&s, JSON, (struct slice){whole.p, n});
		CU_ASSERT_EQUAL(s.rc, n < whole.n ? RC_BAD : RC_OK);
		CU_ASSERT_EQUAL(s.env.n, n < whole.n ? 0 : 2);
		done(&s);
	}
}

static void
want_of_memory_is_told_and_leaves_nothing(void)
{
	struct envelope_source from = {
	    .content_type = SLICE(NDJSON), .path_channel = SLICE("a")};
	struct envelope env;
	struct err e;
	unsigned tried = 0;
	char body[20 * 11];
	enum rc rc;

	for (;;) {
		for (size_t i = 0; i < 20; i++)
			memcpy(body + 11 * i, "{\"data\":1}\n", 11);
		fail_alloc_after(tried);
		rc =
		    envelope_parse(&from, body, sizeof body, &limits, &env, &e);
		if (!fail_alloc_end())
			break;
		tried++;
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_EQUAL(e.rc, RC_NOMEM);
		CU_ASSERT_EQUAL(env.n, 0);
		CU_ASSERT_PTR_NULL(env.message);
	}
	CU_ASSERT_EQUAL(rc, RC_OK);
	CU_ASSERT_EQUAL(env.n, 20);
	CU_ASSERT_EQUAL(tried, 3);
	envelope_fini(&env);
	CU_ASSERT_PTR_NULL(env.message);
	envelope_fini(&env);
}

static void
message_that_came_in_another_way_is_checked_alike(void)
{
	char longer[65] = "";
	struct message m = {.channel = SLICE("/a"),
	    .event = SLICE(""),
	    .id = SLICE("7"),
	    .data = SLICE("x")};
	struct err err;

	CU_ASSERT_EQUAL(envelope_check(&m, &limits, &err), RC_OK);
	CU_ASSERT(slice_is(m.channel, SLICE("a")));
	CU_ASSERT(m.event.p == NULL && slice_is(m.id, SLICE("7")));
	m.data = (struct slice){longer, sizeof longer};
	CU_ASSERT_EQUAL(envelope_check(&m, &limits, &err), RC_TOO_LARGE);
	CU_ASSERT(strstr(err.text, "the data has 65 bytes") != NULL);
	m.channel = SLICE("$x");
	CU_ASSERT_EQUAL(envelope_check(&m, &limits, NULL), RC_DENIED);
	m.channel = SLICE("a*");
	CU_ASSERT_EQUAL(envelope_check(&m, &limits, NULL), RC_BAD);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_envelope[] = {T(form_fields_make_a_message),
    T(multipart_fields_make_a_message), T(text_is_data_as_it_is),
    T(unknown_content_type_lists_what_is_accepted),
    T(json_body_is_data_when_the_path_has_the_channel),
    T(json_object_makes_a_message), T(last_of_equal_members_counts),
    T(path_wins_over_field_and_field_over_query),
    T(empty_event_and_id_count_as_none), T(json_array_makes_messages_in_order),
    T(ndjson_makes_a_message_of_each_line), T(redirect_is_a_form_field),
    T(data_may_hold_any_character), T(names_are_checked_whatever_their_way),
    T(programs_own_channels_are_denied), T(labels_have_at_most_255_bytes),
    T(data_is_bounded_after_decoding), T(messages_are_bounded_in_number),
    T(text_says_which_message_is_wrong), T(empty_batch_is_refused),
    T(every_truncation_of_an_array_is_refused),
    T(message_that_came_in_another_way_is_checked_alike),
    T(want_of_memory_is_told_and_leaves_nothing), CU_TEST_INFO_NULL};

/* What Bayeux clients say and are told. */
#include "fail_alloc.h"
#include "tests.h"
#include "wire/bayeux.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define MOST_SUBSCRIPTIONS 3

static struct bayeux_subscription room[MOST_SUBSCRIPTIONS];

static const struct bayeux_limits limits = {
    .envelope = {.message_bytes = 64, .messages = 4},
    .subscription = room,
    .subscriptions = MOST_SUBSCRIPTIONS};

static const struct slice none;

/* ---- what a message is read as ---- */

static void
show_slice(struct buf *b, const char *name, struct slice s)
{
	if (s.p != NULL)
		buf_printf(b, " %s %.*s", name, (int)s.n, s.p);
}

static void
show_subscription(struct buf *b, const struct bayeux_subscription *s)
{
	static const char *const from[] = {"now", "all", "replay", "cursor"};

	buf_printf(
	    b, " %.*s=%s", (int)s->written.n, s->written.p, from[s->from]);
	if (s->from == BAYEUX_REPLAY || s->from == BAYEUX_CURSOR)
		buf_printf(b, "%llu%s", (unsigned long long)s->since.seq,
		    s->since.has_epoch ? "+epoch" : "");
}

static void
show(struct buf *b, const struct bayeux_message *m)
{
	static const char *const kinds[] = {"publish", "handshake", "connect",
	    "subscribe", "unsubscribe", "disconnect", "meta", "service"};

	buf_add_text(b, kinds[m->kind]);
	show_slice(b, "id", m->id);
	show_slice(b, "client", m->client_id);
	if (m->connection_types != 0)
		buf_printf(b, " types %u", m->connection_types);
	if (m->is_list)
		buf_add_text(b, " list");
	for (size_t i = 0; i < m->subscriptions; i++)
		show_subscription(b, &m->subscription[i]);
	show_slice(b, "to", m->publish.channel);
	show_slice(b, "event", m->publish.event);
	show_slice(b, "label", m->publish.id);
	show_slice(b, m->publish.is_json ? "json" : "text", m->publish.data);
	if (m->wants_ack)
		buf_add_text(b, " acks");
	if (m->wants_replay)
		buf_add_text(b, " replays");
	if (m->has_ack)
		buf_printf(b, " ack %llu", (unsigned long long)m->ack);
	if (m->has_timeout)
		buf_printf(b, " timeout %u", m->timeout_ms);
	if (m->has_timesync)
		buf_printf(b, " tc %lld l %lld o %lld",
		    (long long)m->timesync.tc, (long long)m->timesync.l,
		    (long long)m->timesync.o);
	if (m->error.code != 0)
		buf_printf(b, " error %s", m->error.text);
}

/* A copy of exactly that size, so that reading past its end is noticed. */
static char *
copy_of(const char *text, size_t n)
{
	char *copy = malloc(n + (n == 0));

	if (n > 0)
		memcpy(copy, text, n);
	return copy;
}

/* All messages of a text, with "; " between them, or the failure. */
static void
read_text(struct buf *b, const char *text, size_t n)
{
	struct bayeux_reading r;
	struct bayeux_message m;
	struct err err;
	char *copy = copy_of(text, n);
	size_t count, got = 0;
	enum rc rc = bayeux_read(&r, copy, n, &limits, &count, &err);

	if (rc != RC_OK) {
		buf_printf(b, "%s: %s", rc_name(rc), err.text);
		CU_ASSERT_EQUAL(err.rc, rc);
	} else {
		while (bayeux_next(&r, &m)) {
			if (got++ > 0)
				buf_add_text(b, "; ");
			show(b, &m);
		}
		CU_ASSERT_EQUAL(got, count);
		CU_ASSERT_FALSE(bayeux_next(&r, &m));
	}
	free(copy);
}

static bool
means(const char *text, const char *want)
{
	struct buf b;
	bool is_same;

	buf_init(&b, 0);
	read_text(&b, text, strlen(text));
	is_same = slice_is(buf_slice(&b), slice_of(want));
	if (!is_same)
		fprintf(stderr, "\n%s\n%.*s\n", text, (int)b.n, b.p);
	buf_fini(&b);
	return is_same;
}

/* True if what text is read as contains `part`. */
static bool
tells(const char *text, const char *part)
{
	struct buf b;
	bool does;

	buf_init(&b, 0);
	read_text(&b, text, strlen(text));
	buf_add_char(&b, 0);
	does = strstr(b.p, part) != NULL;
	if (!does)
		fprintf(stderr, "\n%s\n%s\n", text, b.p);
	buf_fini(&b);
	return does;
}

#define META(name) "{\"channel\":\"/meta/" name "\",\"clientId\":\"c1\","
#define SUBSCRIBE META("subscribe") "\"subscription\":"

static void
what_the_stock_clients_send_is_read(void)
{
	/* cometd.js with its extensions */
	CU_ASSERT(means(
	    "[{\"id\":\"1\",\"version\":\"1.0\",\"minimumVersion\":\"1.0\","
	    "\"channel\":\"/meta/handshake\",\"supportedConnectionTypes\":"
	    "[\"websocket\",\"long-polling\",\"callback-polling\"],"
	    "\"advice\":{\"timeout\":60000,\"interval\":0},\"ext\":{"
	    "\"ack\":true,\"timesync\":{\"tc\":1795324528684,\"l\":0,"
	    "\"o\":0}}}]",
	    "handshake id \"1\" types 7 acks tc 1795324528684 l 0 o 0"));
	CU_ASSERT(means(
	    "[{\"id\":\"3\",\"channel\":\"/meta/connect\","
	    "\"connectionType\":\"long-polling\",\"advice\":{\"timeout\":0},"
	    "\"clientId\":\"c1\",\"ext\":{\"ack\":124,"
	    "\"timesync\":{\"tc\":5,\"l\":null,\"o\":-7}}}]",
	    "connect id \"3\" client c1 types 1 ack 124 timeout 0 tc 5 l 0 o "
	    "-7"));
	CU_ASSERT(
	    means("[{\"id\":\"4\",\"channel\":\"/chat/a\",\"data\":{\"n\": 1},"
	          "\"clientId\":\"c1\",\"ext\":{}}]",
	        "publish id \"4\" client c1 to chat/a json {\"n\":1}"));
	/* faye */
	CU_ASSERT(means(
	    "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
	    "\"supportedConnectionTypes\":[\"long-polling\","
	    "\"cross-origin-long-polling\",\"in-process\"],\"id\":\"1\"}]",
	    "handshake id \"1\" types 9"));
	CU_ASSERT(means("[{\"channel\":\"/meta/disconnect\",\"clientId\":"
	                "\"c1\",\"id\":\"a\"}]",
	    "disconnect id \"a\" client c1"));
	CU_ASSERT(means("[]", ""));
	/* CometD 2, EMP connector */
	CU_ASSERT(means("{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
	                "\"minimumVersion\":\"0.9\",\"ext\":{\"replay\":true},"
	                "\"supportedConnectionTypes\":[\"long-polling\"]}",
	    "handshake types 1 replays"));
	CU_ASSERT(means(SUBSCRIBE "\"/chat/a\",\"ext\":{\"replay\":{"
	                          "\"/chat/b\":12,\"/chat/a\":-2}}}",
	    "subscribe client c1 /chat/a=all replays"));
}

static void
kind_goes_by_the_exact_channel(void)
{
	CU_ASSERT(means(
	    "[{\"channel\":\"/meta/handshake/\"},{\"channel\":\"/meta/\"},"
	    "{\"channel\":\"/meta/Connect\",\"clientId\":\"x\"}]",
	    "meta error 404:/meta/handshake/:Unknown meta channel; "
	    "meta error 404:/meta/:Unknown meta channel; "
	    "meta client x error 404:/meta/Connect:Unknown meta channel"));
	CU_ASSERT(means("{\"channel\":\"/metadata\",\"data\":1}",
	    "publish to metadata json 1"));
	CU_ASSERT(means("{\"channel\":\"/service/echo\",\"data\":\"x\"}",
	    "service to service/echo text x"));
	CU_ASSERT(means("{\"channel\":\"/services\",\"data\":\"x\"}",
	    "publish to services text x"));
	CU_ASSERT(means("{\"ch\\u0061nnel\":\"\\/m\\u0065ta/disconnect\","
	                "\"client\\u0049d\":\"\\u0063\"}",
	    "disconnect client c"));
}

static void
published_message_is_checked_like_any_other(void)
{
	CU_ASSERT(means("{\"channel\":\"/a\",\"data\":\"\\u20ac\",\"ext\":{"
	                "\"event\":\"greet\",\"id\":\"order-77\"}}",
	    "publish to a event greet label order-77 text \xe2\x82\xac"));
	CU_ASSERT(means("{\"channel\":\"/a\",\"data\":null,\"ext\":null}",
	    "publish to a json null"));
	CU_ASSERT(tells(
	    "{\"channel\":\"/a\"}", "error 400:/a:The message has no data"));
	CU_ASSERT(tells("{\"channel\":\"a\",\"data\":1}",
	    "error 405:a:A channel begins with /"));
	CU_ASSERT(tells("{\"channel\":\"\",\"data\":1}", "error 405::A"));
	CU_ASSERT(tells("{\"channel\":\"/\",\"data\":1}",
	    "error 405:/:the channel is empty"));
	CU_ASSERT(tells("{\"channel\":\"//a\",\"data\":1}", "error 405://a:"));
	CU_ASSERT(tells("{\"channel\":\"/a/*\",\"data\":1}",
	    "error 405:/a/*:the channel has a * at byte 2 only"));
	CU_ASSERT(tells("{\"channel\":\"/a\\u0000b\",\"data\":1}",
	    "error 405:/a_b:the channel has a control"));
	CU_ASSERT(tells(
	    "{\"channel\":\"/$status\",\"data\":1}", "error 403:/$status:"));
	CU_ASSERT(tells("{\"channel\":\"/a\",\"data\":1,\"ext\":{\"id\":7}}",
	    "error 400::ext.id must be a string"));
	CU_ASSERT(
	    tells("{\"channel\":\"/a\",\"data\":1,\"ext\":{\"event\":\"\\n\"}}",
	        "error 400:/a:the event has a control"));
	CU_ASSERT(tells("{\"channel\":\"/a\",\"data\":\"1234567890123456789012"
	                "345678901234567890123456789012345678901234567\"}",
	    "error 413:/a:the data has 67 bytes at most 64"));
	CU_ASSERT(tells("{\"channel\":\"/service/*\",\"data\":1}",
	    "service to service/* json 1 error 405:"));
}

static void
overlong_channel_is_not_echoed(void)
{
	struct bayeux_reading r;
	struct bayeux_message m;
	char text[600];
	size_t n, count;

	for (int bytes = 256; bytes <= 257; bytes++) {
		n = (size_t)snprintf(text, sizeof text,
		    "{\"channel\":\"/%0*d\",\"data\":1}", bytes - 1, 0);
		CU_ASSERT(
		    bayeux_read(&r, text, n, &limits, &count, NULL) == RC_OK);
		CU_ASSERT(bayeux_next(&r, &m));
		CU_ASSERT_EQUAL(m.error.code, bytes == 256 ? 0 : 405);
		CU_ASSERT_EQUAL(m.channel.n, bytes == 256 ? 256 : 0);
	}
}

static void
id_is_echoed_if_it_is_a_string_or_number_of_reasonable_size(void)
{
	char text[600];

	CU_ASSERT(means(META("disconnect") "\"id\":-1.50e+3}",
	    "disconnect id -1.50e+3 client c1"));
	CU_ASSERT(means(META("disconnect") "\"id\":\"\\u0022</script>\"}",
	    "disconnect id \"\\u0022</script>\" client c1"));
	CU_ASSERT(
	    means(META("disconnect") "\"id\":null}", "disconnect client c1"));
	CU_ASSERT(means(META("disconnect") "\"id\":{\"a\":1}}",
	    "disconnect client c1 error 400::The id must be a string"));
	CU_ASSERT(tells(META("disconnect") "\"id\":[]}", "error 400::The id"));
	CU_ASSERT(tells(META("disconnect") "\"id\":true}", "error 400::The"));
	snprintf(text, sizeof text, META("disconnect") "\"id\":\"%0254d\"}", 0);
	CU_ASSERT(tells(text, "disconnect id \"000"));
	snprintf(text, sizeof text, META("disconnect") "\"id\":\"%0255d\"}", 0);
	CU_ASSERT(means(text,
	    "disconnect client c1 error 400::The id has 257 bytes of 256 that"
	    " are allowed"));
}

static void
handshake_must_offer_a_version_and_a_connection_type(void)
{
#define SHAKE "{\"channel\":\"/meta/handshake\",\"version\":"
#define LONG ",\"supportedConnectionTypes\":[\"long-polling\"]}"
	static const char *const versions[] = {
	    "\"1\"", "\"1.0\"", "\"1.0.1\"", "\"\\u0031.9beta\""};
	static const char *const others[] = {
	    "\"2.0\"", "\"0.9\"", "\"10\"", "\"\"", "\"x\""};
	static const char *const no_types[] = {"",
	    ",\"supportedConnectionTypes"
	    "\":\"long-polling\"",
	    ",\"supportedConnectionTypes\":null",
	    ",\"supportedConnectionTypes\":{\"0\":\"long-polling\"}"};
	static const char *const unknown[] = {
	    "[]", "[1,null,[\"websocket\"]]", "[\"flash\",\"Long-Polling\"]"};
	char text[300];

	for (size_t i = 0; i < COUNT(versions); i++) {
		snprintf(text, sizeof text, SHAKE "%s" LONG, versions[i]);
		CU_ASSERT(means(text, "handshake types 1"));
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		snprintf(text, sizeof text, SHAKE "%s" LONG, others[i]);
		CU_ASSERT(tells(text, ":Version not supported"));
	}
	CU_ASSERT(tells(SHAKE "\"1.0\",\"minimumVersion\":\"2.0\"" LONG,
	    "error 300:2.0:Version not supported"));
	CU_ASSERT(tells(SHAKE "\"1.0\",\"minimumVersion\":1" LONG,
	    "error 400::minimumVersion must"));
	CU_ASSERT(tells(SHAKE "1" LONG, "error 400::A handshake needs a v"));
	CU_ASSERT(tells(SHAKE "null" LONG, "error 400::A handshake needs a"));
	for (size_t i = 0; i < COUNT(no_types); i++) {
		snprintf(text, sizeof text, SHAKE "\"1.0\"%s}", no_types[i]);
		CU_ASSERT(tells(text, "400::A handshake needs supported"));
	}
	for (size_t i = 0; i < COUNT(unknown); i++) {
		snprintf(text, sizeof text,
		    SHAKE "\"1.0\",\"supportedConnectionTypes\":%s}",
		    unknown[i]);
		CU_ASSERT(tells(text, "error 301::Connection types not"));
	}
	/* what is known among what isn't; a client id is of no matter */
	CU_ASSERT(means(SHAKE "\"1.0\",\"clientId\":5,"
	                      "\"supportedConnectionTypes\":[\"flash\","
	                      "\"w\\u0065bsocket\",\"websocket\"]}",
	    "handshake types 4"));
}

static void
extensions_of_the_handshake_are_believed_when_true(void)
{
#define EXT(ext) SHAKE "\"1.0\",\"ext\":" ext LONG
	CU_ASSERT(means(EXT("{\"ack\":true,\"replay\":true}"),
	    "handshake types 1 acks replays"));
	CU_ASSERT(means(EXT("{\"ack\":{\"enabled\":true,\"batch\":7}}"),
	    "handshake types 1 acks"));
	CU_ASSERT(means(EXT("{\"ack\":false,\"replay\":{\"/a\":-1}}"),
	    "handshake types 1"));
	CU_ASSERT(
	    means(EXT("{\"ack\":1,\"replay\":\"true\"}"), "handshake types 1"));
	CU_ASSERT(means(EXT("[{\"ack\":true}]"), "handshake types 1"));
	CU_ASSERT(means(EXT("[\"ack\",true]"), "handshake types 1"));
	CU_ASSERT(means(EXT("\"ack\""), "handshake types 1"));
	CU_ASSERT(
	    means(EXT("{\"ack\":true,\"ack\":false}"), "handshake types 1"));
	CU_ASSERT(
	    means(EXT("{\"__proto__\":{\"ack\":true}}"), "handshake types 1"));
}

static void
connect_tells_type_ack_and_timeout(void)
{
#define CONNECT META("connect") "\"connectionType\":\"websocket\""
	static const char *const odd[] = {"-1", "1.5", "1e2", "\"7\"", "true",
	    "null", "[]", "{}", "9007199254740992", "99999999999999999999999"};
	char text[300];

	CU_ASSERT(means(CONNECT ",\"ext\":{\"ack\":9007199254740991}}",
	    "connect client c1 types 4 ack 9007199254740991"));
	CU_ASSERT(means(CONNECT ",\"ext\":{\"ack\":0},"
	                        "\"advice\":{\"timeout\":4294967295}}",
	    "connect client c1 types 4 ack 0 timeout 4294967295"));
	CU_ASSERT(means(CONNECT ",\"advice\":{\"timeout\":4294967296}}",
	    "connect client c1 types 4"));
	/* what was not understood confirms nothing */
	for (size_t i = 0; i < COUNT(odd); i++) {
		snprintf(text, sizeof text,
		    CONNECT ",\"ext\":{\"ack\":%s,\"timesync\":{\"tc\":%s}}}",
		    odd[i], i == 0 ? "1.5" : odd[i]);
		CU_ASSERT(means(text, "connect client c1 types 4"));
		snprintf(text, sizeof text,
		    CONNECT ",\"advice\":{\"timeout\":%s},\"ext\":%s}", odd[i],
		    odd[i]);
		CU_ASSERT(means(text, "connect client c1 types 4"));
	}
	CU_ASSERT(tells(META("connect") "\"connectionType\":\"iframe\"}",
	    "error 301:iframe:Connection type not supported"));
	CU_ASSERT(tells(META("connect") "\"connectionType\":[]}",
	    "error 400::A connect needs a connectionType"));
}

static void
client_must_be_named_in_a_session(void)
{
	static const char *const metas[] = {
	    "connect", "subscribe", "unsubscribe", "disconnect"};
	static const char *const ids[] = {"", ",\"clientId\":null",
	    ",\"clientId\":7", ",\"clientId\":[\"c1\"]"};
	char text[200];

	for (size_t i = 0; i < COUNT(metas); i++)
		for (size_t j = 0; j < COUNT(ids); j++) {
			snprintf(text, sizeof text,
			    "{\"channel\":\"/meta/%s\"%s}", metas[i], ids[j]);
			CU_ASSERT(tells(text, "error 402::Unknown client"));
		}
	CU_ASSERT(tells("{\"channel\":\"/a\",\"data\":1,\"clientId\":7}",
	    "error 402::Unknown client"));
	CU_ASSERT(means("{\"channel\":\"/a\",\"data\":1,\"clientId\":null}",
	    "publish to a json 1"));
}

static void
subscriptions_come_alone_or_as_an_array(void)
{
	CU_ASSERT(
	    means(SUBSCRIBE "\"/chat/a\"}", "subscribe client c1 /chat/a=now"));
	CU_ASSERT(means(SUBSCRIBE "[\"/a/**\",\"/\\u0062\",\"/*/c\"]}",
	    "subscribe client c1 list /a/**=now /b=now /*/c=now"));
	CU_ASSERT(means(META("unsubscribe") "\"subscription\":[\"/a\"]}",
	    "unsubscribe client c1 list /a=now"));
	CU_ASSERT(tells(SUBSCRIBE "[]}", "error 400::There is no"));
	CU_ASSERT(tells(SUBSCRIBE "null}", "error 400::A subscription must"));
	CU_ASSERT(tells(SUBSCRIBE "{\"a\":\"/a\"}}", "error 400::A subscr"));
	CU_ASSERT(tells(SUBSCRIBE "[\"/a\",[\"/b\"]]}",
	    "/a=now error 400::A subscription must be a string"));
	CU_ASSERT(tells(SUBSCRIBE "[\"/a\",\"/b\",\"/c\",\"/d\",7]}",
	    "/c=now error 400::More than 3 subscriptions at once"));
	CU_ASSERT(tells(SUBSCRIBE "[\"/a\",\"b\",\"/c*\"]}",
	    "/a=now b=now /c*=now error 405:b:A channel begins with /"));
	CU_ASSERT(tells(SUBSCRIBE "\"/a/**/b\"}", "error 405:/a/**/b:"));
	CU_ASSERT(tells(SUBSCRIBE "\"/\"}", "error 405:/:the pattern is"));
	CU_ASSERT(tells(SUBSCRIBE "\"/meta/connect\"}",
	    "error 403:/meta/connect:Subscribing denied"));
	CU_ASSERT(tells(SUBSCRIBE "\"/meta/**\"}", "error 403:/meta/**:"));
	CU_ASSERT(tells("{\"channel\":\"/meta/subscribe\",\"clientId\":\"c\"}",
	    "error 400::A subscription must be a string"));
}

static void
subscriptions_begin_where_replay_tells(void)
{
#define REPLAY(map) SUBSCRIBE "[\"/a\",\"/b/*\"],\"ext\":{\"replay\":" map "}}"
	CU_ASSERT(means(REPLAY("{\"/a\":-1,\"/b/*\":12,\"/c\":\"x\"}"),
	    "subscribe client c1 list /a=now /b/*=replay12 replays"));
	CU_ASSERT(
	    means(REPLAY("{\"\\/\\u0061\":\"-2\",\"/b/*\":\"7.0123abcd\"}"),
	        "subscribe client c1 list /a=all /b/*=replay7+epoch replays"));
	CU_ASSERT(means(REPLAY("{\"/a\":null,\"a\":5,\"/\":6}"),
	    "subscribe client c1 list /a=now /b/*=now replays"));
	CU_ASSERT(means(REPLAY("{\"/a\":1,\"/a\":2}"),
	    "subscribe client c1 list /a=replay2 /b/*=now replays"));
	CU_ASSERT(means(
	    REPLAY("-2"), "subscribe client c1 list /a=all /b/*=all replays"));
	CU_ASSERT(means(REPLAY("true"),
	    "subscribe client c1 list /a=now /b/*=now replays"));
	CU_ASSERT(
	    means(REPLAY("false"), "subscribe client c1 list /a=now /b/*=now"));
	CU_ASSERT(means(REPLAY("9223372036854775807"),
	    "subscribe client c1 list /a=replay9223372036854775807"
	    " /b/*=replay9223372036854775807 replays"));
	CU_ASSERT(means(SUBSCRIBE "[\"/a\",\"/a\"],\"ext\":{\"replay\":"
	                          "{\"/a\":\"\\u0037\"}}}",
	    "subscribe client c1 list /a=replay7 /a=replay7 replays"));
}

static void
lost_position_is_told_as_salesforce_tells_it(void)
{
	static const char *const odd[] = {"-3", "1.5", "1e3", "\"\"", "\"x\"",
	    "[]", "{}", "1.12345678", "9223372036854775808", "\"</script>\""};
	struct bayeux_error error;
	char text[300];

	for (size_t i = 0; i < COUNT(odd); i++) {
		snprintf(text, sizeof text,
		    SUBSCRIBE "\"/a\",\"ext\":{\"replay\":{\"/a\":%s}}}",
		    odd[i]);
		CU_ASSERT(tells(text, "error 400::The replayId {"));
		CU_ASSERT(tells(text, "} you provided was invalid."));
	}
	bayeux_fail_replay(&error, SLICE("12"));
	CU_ASSERT_STRING_EQUAL(error.text,
	    "400::The replayId {12} you provided was invalid.  Please provide"
	    " a valid ID, -2 to replay all events, or -1 to replay only new"
	    " events.");
	CU_ASSERT_EQUAL(error.code, 400);
}

static void
cursor_is_for_all_that_replay_does_not_name(void)
{
#define FROM(ext) SUBSCRIBE "[\"/a\",\"/b\"],\"ext\":{" ext "}}"
	CU_ASSERT(means(FROM("\"cursor\":\"9.0123abcd\""),
	    "subscribe client c1 list /a=cursor9+epoch /b=cursor9+epoch"));
	CU_ASSERT(means(FROM("\"cursor\":9"),
	    "subscribe client c1 list /a=cursor9 /b=cursor9"));
	CU_ASSERT(means(
	    FROM("\"cursor\":null"), "subscribe client c1 list /a=now /b=now"));
	CU_ASSERT(means(FROM("\"cursor\":\"9\",\"replay\":{\"/b\":-1}"),
	    "subscribe client c1 list /a=cursor9 /b=now replays"));
	CU_ASSERT(tells(FROM("\"cursor\":\"x\""), "error 400::"));
	CU_ASSERT(tells(FROM("\"cursor\":[9]"), "error 400::"));
	CU_ASSERT(tells(FROM("\"cursor\":-1"), "error 400::"));
}

static void
wrong_types_spoil_a_message_and_not_its_neighbours(void)
{
	static const char *const values[] = {"null", "true", "0", "-1", "1e9",
	    "\"\"", "\"x\"", "[]", "[[]]", "{}", "{\"\":{}}"};
	static const char *const names[] = {"channel", "id", "clientId", "data",
	    "connectionType", "supportedConnectionTypes", "version",
	    "minimumVersion", "advice", "subscription", "ext", "__proto__"};
	static const char *const metas[] = {"handshake", "connect", "subscribe",
	    "unsubscribe", "disconnect", "x"};
	char text[300];

	CU_ASSERT(means("[1,{\"channel\":\"/a\",\"data\":1},null,[]]",
	    "publish error 400::A message must be an object; "
	    "publish to a json 1; "
	    "publish error 400::A message must be an object; "
	    "publish error 400::A message must be an object"));
	for (size_t i = 0; i < COUNT(metas); i++)
		for (size_t j = 0; j < COUNT(names); j++)
			for (size_t k = 0; k < COUNT(values); k++) {
				snprintf(text, sizeof text,
				    "[" META("%s") "\"%s\":%s},"
				                   "{\"channel\":\"/a\","
				                   "\"data\":1}]",
				    metas[i], names[j], values[k]);
				CU_ASSERT(tells(text, "; publish to a json 1"));
			}
	CU_ASSERT(means("{\"channel\":7,\"data\":1}",
	    "publish error 400::A message needs a channel"));
	CU_ASSERT(means("{}", "publish error 400::A message needs a channel"));
}

static void
of_members_given_twice_the_last_counts(void)
{
	CU_ASSERT(means("{\"channel\":\"/meta/connect\",\"data\":[1],"
	                "\"id\":\"1\",\"id\":2,\"d\\u0061ta\":\"x\","
	                "\"channel\":\"/a\"}",
	    "publish id 2 to a text x"));
	CU_ASSERT(means("{\"channel\":\"/a\",\"data\":1,\"__proto__\":{"
	                "\"channel\":\"/meta/connect\"},\"constructor\":0}",
	    "publish to a json 1"));
}

static void
what_is_no_json_fails_as_a_whole(void)
{
	CU_ASSERT(tells("", "BAD: the JSON text is empty"));
	CU_ASSERT(tells("1", "BAD: what is sent must be a message"));
	CU_ASSERT(tells("\"x\"", "BAD: what is sent must be a message"));
	CU_ASSERT(tells("[{}", "BAD: the JSON text ends at byte 3"));
	CU_ASSERT(tells("[{\"channel\":\"\\ud800\"}]", "BAD: byte 13"));
	CU_ASSERT(tells("[{\"channel\":\"\\udc00\\ud800\"}]", "BAD: byte"));
	CU_ASSERT(tells("[{\"channel\":\"\xff\"}]", "not valid UTF-8"));
	CU_ASSERT(tells("[{},{},{},{},{}]",
	    "TOO_LARGE: more than 4 messages in one request"));
	CU_ASSERT(tells("[{},{},{},{}]", "publish error 400::"));
}

static void
every_truncation_is_refused(void)
{
	static const char text[] =
	    "[{\"channel\":\"/meta/subscribe\",\"subscription\":[\"\\u002fa\"],"
	    "\"ext\":{\"replay\":{\"\\u002fa\":-1}},\"id\":\"\\\"\"},"
	    "{\"channel\":\"/\\u00e9\",\"data\":{\"a\":[1e5]}}]";
	struct bayeux_reading r;
	size_t count;
	char *copy;

	for (size_t n = 0; n < sizeof text - 1; n++) {
		copy = copy_of(text, n);
		CU_ASSERT_EQUAL(
		    bayeux_read(&r, copy, n, &limits, &count, NULL), RC_BAD);
		free(copy);
	}
}

/* open, n times, the middle, close, n times. */
static char *
nested(char open, char close, int n, const char *head, const char *tail)
{
	size_t head_n = strlen(head), tail_n = strlen(tail);
	char *text = malloc(head_n + (size_t)n * 2 + tail_n + 1);

	memcpy(text, head, head_n);
	memset(text + head_n, open, (size_t)n);
	memset(text + head_n + n, close, (size_t)n);
	memcpy(text + head_n + 2 * n, tail, tail_n + 1);
	return text;
}

static void
deep_nesting_is_bounded(void)
{
	char *deep = nested('[', ']', 511,
	    "{\"channel\":\"/meta/disconnect\","
	    "\"clientId\":\"c\",\"ext\":",
	    "}");
	char *deeper = nested('[', ']', 512, "{\"ext\":", "}");
	char *hostile = nested('[', ']', 300000, "", "");

	CU_ASSERT(means(deep, "disconnect client c"));
	CU_ASSERT(tells(deeper, "BAD: byte 518 of the JSON text: nested over"));
	CU_ASSERT(tells(hostile, "nested over 512 deep"));
	free(deep);
	free(deeper);
	free(hostile);
}

/* What the fields of a form are read as. */
static bool
form_means(const char *form, const char *want)
{
	char *copy = copy_of(form, strlen(form));
	struct params fields;
	struct bayeux_reading r;
	struct bayeux_message m;
	struct err err;
	struct buf b;
	size_t count, got = 0;
	enum rc rc = query_parse(copy, strlen(form), &fields, &err);
	bool is_same;

	buf_init(&b, 0);
	if (rc == RC_OK)
		rc = bayeux_read_fields(&r, &fields, &limits, &count, &err);
	if (rc != RC_OK)
		buf_printf(&b, "%s: %s", rc_name(rc), err.text);
	for (; rc == RC_OK && bayeux_next(&r, &m); got++) {
		buf_add_text(&b, got > 0 ? "; " : "");
		show(&b, &m);
	}
	CU_ASSERT(rc != RC_OK || got == count);
	is_same = slice_is(buf_slice(&b), slice_of(want));
	if (!is_same)
		fprintf(stderr, "\n%s\n%.*s\n", form, (int)b.n, b.p);
	buf_fini(&b);
	free(copy);
	return is_same;
}

static void
form_has_messages_in_all_its_message_fields(void)
{
#define A "%7B%22channel%22:%22/a%22,%22data%22:%20%22+%22%7D"
	CU_ASSERT(form_means("message=" A, "publish to a text  "));
	CU_ASSERT(form_means("jsonp=cb&message=[" A "," A
	                     "]&message=[]&message=" A "&Message=x&x=1",
	    "publish to a text  ; publish to a text  ; publish to a text  "));
	CU_ASSERT(
	    form_means("message=[" A "," A "]&message=[" A "," A "," A "]",
	        "TOO_LARGE: more than 4 messages in one request"));
	CU_ASSERT(form_means("message=" A "&message=[",
	    "BAD: the JSON text ends at byte 1: expected a value or ']'"));
	CU_ASSERT(form_means("message=", "BAD: the JSON text is empty"));
	CU_ASSERT(form_means("message", "BAD: the JSON text is empty"));
	CU_ASSERT(form_means("jsonp=x",
	    "BAD: there is no \"message\": give it as a field, or a JSON body"
	    " as application/json"));
}

static void
callback_is_a_name_and_has_a_default(void)
{
	static const struct {
		const char *query, *want;
	} queries[] = {{"jsonp=_cometd_jsonp_1", "_cometd_jsonp_1"},
	    {"message=1", "jsonpcallback"}, {"jsonp=__jsonp1__", "__jsonp1__"},
	    {"jsonp=a.b", "a.b"}, {"jsonp=", NULL}, {"jsonp=alert(1)", NULL},
	    {"jsonp=%3C/script%3E", NULL}, {"jsonp=a%0A", NULL}};
	struct params params;
	struct slice callback;
	struct err err;
	char text[100];

	for (size_t i = 0; i < COUNT(queries); i++) {
		strcpy(text, queries[i].query);
		CU_ASSERT(
		    query_parse(text, strlen(text), &params, &err) == RC_OK);
		CU_ASSERT_EQUAL(bayeux_callback(&params, &callback, &err),
		    queries[i].want == NULL ? RC_BAD : RC_OK);
		CU_ASSERT(queries[i].want == NULL ||
		    slice_is(callback, slice_of(queries[i].want)));
	}
}

/* ---- what clients are told ---- */

/* True if b holds that text; empties it. */
static bool
holds(struct buf *b, const char *want)
{
	bool does = b->rc == RC_OK && slice_is(buf_slice(b), slice_of(want));

	if (!does)
		fprintf(stderr, "\n%.*s\n%s\n", (int)b->n, b->p, want);
	buf_clear(b);
	return does;
}

static bool
replies(const struct bayeux_reply *reply, const char *want)
{
	struct buf b;
	bool does;

	buf_init(&b, 0);
	bayeux_add_reply(&b, reply, false);
	does = holds(&b, want);
	buf_fini(&b);
	return does;
}

static void
handshake_is_told_what_is_offered(void)
{
	struct bayeux_advice advice = {.timeout_ms = 25000};
	struct bayeux_reply reply = {.kind = BAYEUX_HANDSHAKE,
	    .channel = SLICE("/meta/handshake"),
	    .id = SLICE("\"1\""),
	    .client_id = SLICE("abc"),
	    .connection_types = BAYEUX_LONG_POLLING | BAYEUX_WEBSOCKET,
	    .advice = &advice,
	    .acks = true,
	    .replays = true};
	struct bayeux_error error;

	CU_ASSERT(replies(&reply,
	    "{\"channel\":\"/meta/handshake\",\"id\":\"1\","
	    "\"successful\":true,\"clientId\":\"abc\",\"version\":\"1.0\","
	    "\"minimumVersion\":\"1.0\",\"supportedConnectionTypes\":"
	    "[\"long-polling\",\"websocket\"],\"advice\":{"
	    "\"reconnect\":\"retry\",\"interval\":0,\"timeout\":25000},"
	    "\"ext\":{\"ack\":true,\"replay\":true}}"));
	bayeux_fail(&error, 300, SLICE("2.0"), "Version not supported");
	advice = (struct bayeux_advice){.reconnect = BAYEUX_RECONNECT_NONE};
	reply = (struct bayeux_reply){.kind = BAYEUX_HANDSHAKE,
	    .channel = SLICE("/meta/handshake"),
	    .error = &error,
	    .advice = &advice};
	CU_ASSERT(replies(&reply,
	    "{\"channel\":\"/meta/handshake\",\"successful\":false,"
	    "\"error\":\"300:2.0:Version not supported\",\"version\":\"1.0\","
	    "\"minimumVersion\":\"1.0\",\"supportedConnectionTypes\":[],"
	    "\"advice\":{\"reconnect\":\"none\",\"interval\":0,"
	    "\"timeout\":0}}"));
}

static void
connect_is_told_ack_gap_cursor_and_time(void)
{
	struct bayeux_advice advice = {.reconnect = BAYEUX_RECONNECT_HANDSHAKE,
	    .interval_ms = 5,
	    .max_interval_ms = 120000,
	    .has_multiple_clients = true};
	struct bayeux_reply reply = {.kind = BAYEUX_CONNECT,
	    .channel = SLICE("/meta/connect"),
	    .id = SLICE("7"),
	    .has_ack = true,
	    .ack = 9007199254740991,
	    .is_gap = true,
	    .has_cursor = true,
	    .cursor = {.seq = 124, .epoch = 0x9f3a1c22, .has_epoch = true},
	    .has_timesync = true,
	    .timesync = {.tc = 1000, .l = 10, .o = -30},
	    .received_ms = 990,
	    .waited_ms = 25000,
	    .advice = &advice};

	CU_ASSERT(replies(&reply,
	    "{\"channel\":\"/meta/connect\",\"id\":7,\"successful\":true,"
	    "\"advice\":{\"reconnect\":\"handshake\",\"interval\":5,"
	    "\"timeout\":0,\"maxInterval\":120000,\"multiple-clients\":true},"
	    "\"ext\":{\"ack\":9007199254740991,\"gap\":true,"
	    "\"cursor\":\"124.9f3a1c22\",\"timesync\":{\"tc\":1000,"
	    "\"ts\":990,\"p\":25000,\"a\":-10}}}"));
	reply = (struct bayeux_reply){
	    .kind = BAYEUX_CONNECT, .channel = SLICE("/meta/connect")};
	CU_ASSERT(replies(
	    &reply, "{\"channel\":\"/meta/connect\",\"successful\":true}"));
}

static void
each_extension_may_come_alone(void)
{
	struct bayeux_reply reply = {.has_ack = true, .ack = 3};

	CU_ASSERT(replies(&reply, "{\"successful\":true,\"ext\":{\"ack\":3}}"));
	reply = (struct bayeux_reply){.is_gap = true};
	CU_ASSERT(
	    replies(&reply, "{\"successful\":true,\"ext\":{\"gap\":true}}"));
	reply = (struct bayeux_reply){.has_cursor = true, .cursor = {.seq = 1}};
	CU_ASSERT(replies(&reply,
	    "{\"successful\":true,\"ext\":{\"cursor\":\"1.00000000\"}}"));
	reply = (struct bayeux_reply){.has_timesync = true};
	CU_ASSERT(replies(&reply,
	    "{\"successful\":true,\"ext\":{\"timesync\":"
	    "{\"tc\":0,\"ts\":0,\"p\":0,\"a\":0}}}"));
	reply = (struct bayeux_reply){.acks = true};
	CU_ASSERT(
	    replies(&reply, "{\"successful\":true,\"ext\":{\"ack\":true}}"));
	reply = (struct bayeux_reply){.replays = true};
	CU_ASSERT(
	    replies(&reply, "{\"successful\":true,\"ext\":{\"replay\":true}}"));
}

/* What a message of this text is answered when nothing else is known. */
static bool
is_answered(const char *text, bool for_script, const char *want)
{
	char *copy = copy_of(text, strlen(text));
	struct bayeux_reading r;
	struct bayeux_message m;
	struct bayeux_reply reply;
	struct buf b;
	size_t count;
	bool is;

	buf_init(&b, 0);
	CU_ASSERT(bayeux_read(&r, copy, strlen(text), &limits, &count, NULL) ==
	    RC_OK);
	CU_ASSERT(bayeux_next(&r, &m));
	reply = bayeux_reply_to(&m);
	bayeux_add_reply(&b, &reply, for_script);
	is = holds(&b, want);
	buf_fini(&b);
	free(copy);
	return is;
}

static void
reply_echoes_what_it_answers(void)
{
	CU_ASSERT(is_answered(SUBSCRIBE "\"/a\",\"id\":\"\\u0041\"}", false,
	    "{\"channel\":\"/meta/subscribe\",\"id\":\"\\u0041\","
	    "\"successful\":true,\"subscription\":\"/a\"}"));
	CU_ASSERT(is_answered(SUBSCRIBE "[\"/a\"]}", false,
	    "{\"channel\":\"/meta/subscribe\",\"successful\":true,"
	    "\"subscription\":[\"/a\"]}"));
	CU_ASSERT(is_answered(SUBSCRIBE "[\"/\\u0022\",\"b\"]}", false,
	    "{\"channel\":\"/meta/subscribe\",\"successful\":false,"
	    "\"error\":\"405:b:A channel begins with /\","
	    "\"subscription\":[\"/\\\"\",\"b\"]}"));
	CU_ASSERT(is_answered("{\"channel\":\"/a\",\"data\":1,\"id\":5}", false,
	    "{\"channel\":\"/a\",\"id\":5,\"successful\":true}"));
	CU_ASSERT(is_answered("{\"id\":\"1\"}", false,
	    "{\"id\":\"1\",\"successful\":false,"
	    "\"error\":\"400::A message needs a channel\"}"));
}

static void
error_has_the_characters_of_the_specification_alone(void)
{
	struct bayeux_error error;
	char args[1000], *p;

	bayeux_fail(&error, 405, SLICE("/a,\"\xc3\xa9:*"),
	    "it's \"e\"f %s: a, b; \n<c>  d", "x\x80");
	CU_ASSERT_STRING_EQUAL(error.text, "405:/a_____*:its ef x a b c d");
	bayeux_fail_rc(&error, RC_DENIED, SLICE("/a"), "no");
	CU_ASSERT_STRING_EQUAL(error.text, "403:/a:no");
	CU_ASSERT_EQUAL(error.code, 403);
	bayeux_fail_rc(&error, RC_TOO_LARGE, none, "");
	CU_ASSERT_STRING_EQUAL(error.text, "413::");
	/* cut, never over the end */
	memset(args, 'x', sizeof args);
	args[sizeof args - 1] = 0;
	bayeux_fail(&error, 400, slice_of(args), "%s", args);
	CU_ASSERT_EQUAL(strlen(error.text), 4 + 200 + 1 + 255);
	p = strrchr(error.text, ':');
	CU_ASSERT(p == error.text + 204);
	bayeux_fail_replay(&error, slice_of(args));
	CU_ASSERT(strstr(error.text, " only new events.") != NULL);
}

static void
answer_is_an_array_or_a_call_with_it(void)
{
	struct bayeux_reply reply = {.channel = SLICE("/a")};
	struct bayeux_answer a;
	struct buf b;

	buf_init(&b, 0);
	for (size_t n = 0; n < 3; n++) {
		bayeux_answer_begin(&b, &a, n < 2 ? none : SLICE("x.y"));
		for (size_t i = 0; i < n; i++) {
			bayeux_answer_next(&b, &a);
			bayeux_add_reply(&b, &reply, n == 2);
		}
		bayeux_answer_end(&b, &a);
		buf_add_char(&b, '\n');
	}
	CU_ASSERT(holds(&b,
	    "[]\n"
	    "[{\"channel\":\"/a\",\"successful\":true}]\n"
	    "/**/x.y([{\"channel\":\"/a\",\"successful\":true},"
	    "{\"channel\":\"/a\",\"successful\":true}]);\n"));
	buf_fini(&b);
}

static void
nothing_closes_a_script(void)
{
	CU_ASSERT(is_answered("{\"channel\":\"/</script>\",\"data\":1,"
	                      "\"id\":\"</script>\xe2\x80\xa8\"}",
	    true,
	    "{\"channel\":\"/\\u003c/script\\u003e\","
	    "\"id\":\"\\u003c/script\\u003e\\u2028\",\"successful\":true}"));
	CU_ASSERT(is_answered(SUBSCRIBE "\"/<!--\"}", true,
	    "{\"channel\":\"/meta/subscribe\",\"successful\":true,"
	    "\"subscription\":\"/\\u003c!--\"}"));
}

/* ---- events ---- */

static bool
event_is(const struct message *m, bool with_replay, bool for_script,
    const char *want)
{
	struct buf b;
	bool is;

	buf_init(&b, 0);
	bayeux_add_event(&b, m, with_replay, for_script);
	is = holds(&b, want);
	buf_fini(&b);
	return is;
}

static void
event_has_channel_and_data(void)
{
	struct message m = {.seq = 5,
	    .channel = SLICE("chat/a"),
	    .data = SLICE("say \"hi\"\n")};

	CU_ASSERT(event_is(&m, false, false,
	    "{\"channel\":\"/chat/a\",\"data\":\"say \\\"hi\\\"\\n\"}"));
	m.channel = SLICE("\"\\");
	m.data = SLICE("");
	CU_ASSERT(event_is(
	    &m, false, false, "{\"channel\":\"/\\\"\\\\\",\"data\":\"\"}"));
	m.is_json = true;
	m.data = SLICE("[\"</script>\"]");
	m.event = SLICE("<e>");
	m.id = SLICE("order-77");
	m.channel = SLICE("<x>");
	CU_ASSERT(event_is(&m, false, false,
	    "{\"channel\":\"/<x>\",\"data\":[\"</script>\"],"
	    "\"ext\":{\"event\":\"<e>\",\"id\":\"order-77\"}}"));
	CU_ASSERT(event_is(&m, false, true,
	    "{\"channel\":\"/\\u003cx\\u003e\","
	    "\"data\":[\"\\u003c/script\\u003e\"],"
	    "\"ext\":{\"event\":\"\\u003ce\\u003e\",\"id\":\"order-77\"}}"));
}

static void
replay_id_joins_the_data(void)
{
	static const struct {
		const char *data, *want;
	} cases[] = {
	    {"{}", "{\"event\":{\"replayId\":5}}"},
	    {"{\"a\":{\"event\":1},\"b\":[2]}",
	        "{\"a\":{\"event\":1},\"b\":[2],\"event\":{\"replayId\":5}}"},
	    {"{\"event\":{\"createdDate\":\"x\",\"replayId\":-1},\"a\":1}",
	        "{\"a\":1,\"event\":{\"createdDate\":\"x\",\"replayId\":5}}"},
	    {"{\"\\u0065vent\":{\"r\\u0065playId\":1,\"type\":2}}",
	        "{\"event\":{\"type\":2,\"replayId\":5}}"},
	    {"{\"event\":1,\"event\":{\"a\":1},\"\\\\event\":3}",
	        "{\"\\\\event\":3,\"event\":{\"a\":1,\"replayId\":5}}"},
	    {"{\"event\":{},\"event\":7}",
	        "{\"event\":{\"replayId\":5},"
	        "\"payload\":{\"event\":{},\"event\":7}}"},
	    {"{\"event\":\"greet\"}",
	        "{\"event\":{\"replayId\":5},"
	        "\"payload\":{\"event\":\"greet\"}}"},
	    {"[1]", "{\"event\":{\"replayId\":5},\"payload\":[1]}"},
	    {"null", "{\"event\":{\"replayId\":5},\"payload\":null}"},
	    {"7", "{\"event\":{\"replayId\":5},\"payload\":7}"},
	};
	struct message m = {.seq = 5, .channel = SLICE("a"), .is_json = true};
	char want[300];

	for (size_t i = 0; i < COUNT(cases); i++) {
		m.data = slice_of(cases[i].data);
		snprintf(want, sizeof want, "{\"channel\":\"/a\",\"data\":%s}",
		    cases[i].want);
		CU_ASSERT(event_is(&m, true, false, want));
	}
	m.is_json = false;
	m.data = SLICE("{}<");
	CU_ASSERT(event_is(&m, true, true,
	    "{\"channel\":\"/a\",\"data\":{\"event\":{\"replayId\":5},"
	    "\"payload\":\"{}\\u003c\"}}"));
}

static void
what_looks_like_a_reply_is_no_event(void)
{
	CU_ASSERT_FALSE(bayeux_is_event(SLICE("meta/connect")));
	CU_ASSERT_FALSE(bayeux_is_event(SLICE("meta/")));
	CU_ASSERT(bayeux_is_event(SLICE("meta")));
	CU_ASSERT(bayeux_is_event(SLICE("metadata/x")));
	CU_ASSERT(bayeux_is_event(SLICE("chat/meta/connect")));
	CU_ASSERT(bayeux_is_event(SLICE("service/x")));
}

static void
result_of_a_service_has_the_id_of_the_call(void)
{
	struct message result = {.data = SLICE("{\"t\":1}"), .is_json = true};
	struct bayeux_message m = {
	    .channel = SLICE("/service/time"), .id = SLICE("\"9\"")};
	struct buf b;

	buf_init(&b, 0);
	bayeux_add_result(&b, &m, &result, false);
	CU_ASSERT(holds(&b,
	    "{\"channel\":\"/service/time\",\"id\":\"9\",\"data\":{\"t\":1}}"));
	m.id = none;
	result = (struct message){.data = SLICE("</x>")};
	bayeux_add_result(&b, &m, &result, true);
	CU_ASSERT(holds(&b,
	    "{\"channel\":\"/service/time\",\"data\":\"\\u003c/x\\u003e\"}"));
	buf_fini(&b);
}

static void
failing_memory_sticks_in_the_buffer(void)
{
	struct message m = {
	    .channel = SLICE("a"), .data = SLICE("x"), .event = SLICE("e")};
	struct bayeux_reply reply = {.channel = SLICE("/a")};
	bool has_failed = true;
	unsigned tried = 0;
	struct buf b;

	for (; has_failed && tried < 20; tried++) {
		buf_init(&b, 0);
		fail_alloc_after(tried);
		bayeux_add_event(&b, &m, true, false);
		bayeux_add_reply(&b, &reply, false);
		has_failed = fail_alloc_end();
		CU_ASSERT_EQUAL(b.rc, has_failed ? RC_NOMEM : RC_OK);
		buf_fini(&b);
	}
	CU_ASSERT(tried > 1 && tried < 20);
	buf_init(&b, 12);
	bayeux_add_event(&b, &m, false, false);
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_fini(&b);
}

CU_TestInfo test_bayeux[] = {{"what_the_stock_clients_send_is_read",
                                 what_the_stock_clients_send_is_read},
    {"kind_goes_by_the_exact_channel", kind_goes_by_the_exact_channel},
    {"published_message_is_checked_like_any_other",
        published_message_is_checked_like_any_other},
    {"overlong_channel_is_not_echoed", overlong_channel_is_not_echoed},
    {"id_is_echoed_if_it_is_a_string_or_number_of_reasonable_size",
        id_is_echoed_if_it_is_a_string_or_number_of_reasonable_size},
    {"handshake_must_offer_a_version_and_a_connection_type",
        handshake_must_offer_a_version_and_a_connection_type},
    {"extensions_of_the_handshake_are_believed_when_true",
        extensions_of_the_handshake_are_believed_when_true},
    {"connect_tells_type_ack_and_timeout", connect_tells_type_ack_and_timeout},
    {"client_must_be_named_in_a_session", client_must_be_named_in_a_session},
    {"subscriptions_come_alone_or_as_an_array",
        subscriptions_come_alone_or_as_an_array},
    {"subscriptions_begin_where_replay_tells",
        subscriptions_begin_where_replay_tells},
    {"lost_position_is_told_as_salesforce_tells_it",
        lost_position_is_told_as_salesforce_tells_it},
    {"cursor_is_for_all_that_replay_does_not_name",
        cursor_is_for_all_that_replay_does_not_name},
    {"wrong_types_spoil_a_message_and_not_its_neighbours",
        wrong_types_spoil_a_message_and_not_its_neighbours},
    {"of_members_given_twice_the_last_counts",
        of_members_given_twice_the_last_counts},
    {"what_is_no_json_fails_as_a_whole", what_is_no_json_fails_as_a_whole},
    {"every_truncation_is_refused", every_truncation_is_refused},
    {"deep_nesting_is_bounded", deep_nesting_is_bounded},
    {"form_has_messages_in_all_its_message_fields",
        form_has_messages_in_all_its_message_fields},
    {"callback_is_a_name_and_has_a_default",
        callback_is_a_name_and_has_a_default},
    {"handshake_is_told_what_is_offered", handshake_is_told_what_is_offered},
    {"each_extension_may_come_alone", each_extension_may_come_alone},
    {"connect_is_told_ack_gap_cursor_and_time",
        connect_is_told_ack_gap_cursor_and_time},
    {"reply_echoes_what_it_answers", reply_echoes_what_it_answers},
    {"error_has_the_characters_of_the_specification_alone",
        error_has_the_characters_of_the_specification_alone},
    {"answer_is_an_array_or_a_call_with_it",
        answer_is_an_array_or_a_call_with_it},
    {"nothing_closes_a_script", nothing_closes_a_script},
    {"event_has_channel_and_data", event_has_channel_and_data},
    {"replay_id_joins_the_data", replay_id_joins_the_data},
    {"what_looks_like_a_reply_is_no_event",
        what_looks_like_a_reply_is_no_event},
    {"result_of_a_service_has_the_id_of_the_call",
        result_of_a_service_has_the_id_of_the_call},
    {"failing_memory_sticks_in_the_buffer",
        failing_memory_sticks_in_the_buffer},
    CU_TEST_INFO_NULL};

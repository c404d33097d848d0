/*
 * Any message through every form, and back by readers of their own.  Input: a
 * byte of flags, then channel, event, id, each ended by a NUL, and data.
 */
#include "../sse_reader.h"
#include "base/utf8.h"
#include "wire/encode.h"
#include "wire/html.h"
#include "wire/json.h"

#include <stdint.h>
#include <stdlib.h>

#define HAS_EVENT 1
#define HAS_ID 2
#define IS_JSON 4
#define EPOCH 0x9f3a1c22u
#define CURSOR "124.9f3a1c22"
#define SCRIPT_HEAD "<script>parent.comet("
#define SCRIPT_TAIL ")</script>\n"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next field of the input, as the log would take it. */
static void
read_field(struct slice *rest, struct buf *b)
{
	const char *end = rest->n == 0 ? NULL : memchr(rest->p, 0, rest->n);
	size_t n = end == NULL ? rest->n : (size_t)(end - rest->p), done = 0;
	struct buf valid;
	struct slice s;

	buf_init(&valid, 0);
	utf8_add_repaired(&valid, (struct slice){rest->p, n});
	s = buf_slice(&valid);
	buf_room(b, 1);
	while (done < s.n) {
		size_t run = utf8_before_control(slice_after(s, done));

		buf_add(b, s.p + done, run);
		done += run;
		if (done < s.n) /* C1 is two bytes, the others one */
			done += (unsigned char)s.p[done] == 0xc2 ? 2 : 1;
	}
	buf_fini(&valid);
	*rest = slice_after(*rest, end == NULL ? n : n + 1);
}

static void
encode(struct buf *b, const struct message *m, enum form form)
{
	struct encode how = {.form = form,
	    .epoch = EPOCH,
	    .callback = slice_of(DEFAULT_CALLBACK)};
	struct buf again;

	buf_init(b, 0);
	encode_message(b, &how, m);
	CHECK(b->rc == RC_OK);
	buf_init(&again, b->n);
	encode_message(&again, &how, m);
	CHECK(again.rc == RC_OK);
	CHECK(slice_is(buf_slice(b), buf_slice(&again)));
	buf_fini(&again);
}

/* True if text is one JSON value without white space between its tokens. */
static bool
is_compact_json(struct slice text)
{
	struct buf copy;
	size_t n = text.n;
	bool is_same;

	buf_init(&copy, 0);
	buf_add_slice(&copy, text);
	is_same = json_compact(copy.p, &n, NULL) == RC_OK && n == text.n;
	buf_fini(&copy);
	return is_same;
}

/* What a parser gets from the object's next member. */
static void
check_string(struct json_members *members, const char *name, struct slice want)
{
	struct slice key, value;
	struct buf got;

	CHECK(json_next_member(members, &key, &value));
	CHECK(key.n == strlen(name) + 2);
	CHECK(memcmp(key.p + 1, name, key.n - 2) == 0);
	buf_init(&got, 0);
	json_add_unescaped(&got, value);
	CHECK(slice_is(buf_slice(&got), want));
	buf_fini(&got);
}

/* With for_script, JSON data comes with other escapes: then equal in value,
   and compared only by being JSON. */
static void
check_object(struct slice object, const struct message *m, bool for_script)
{
	struct json_members members;
	struct slice key, value;

	CHECK(is_compact_json(object));
	CHECK(!memchr(object.p, '\n', object.n));
	CHECK(!memchr(object.p, '\r', object.n));
	CHECK(!memmem(object.p, object.n, "\xe2\x80\xa8", 3));
	CHECK(!memmem(object.p, object.n, "\xe2\x80\xa9", 3));
	CHECK(!for_script || !memchr(object.p, '<', object.n));
	members = json_members_of(object);
	CHECK(json_next_member(&members, &key, &value));
	CHECK(slice_is(key, SLICE("\"seq\"")) && slice_is(value, SLICE("124")));
	check_string(&members, "channel", m->channel);
	CHECK(json_next_member(&members, &key, &value));
	CHECK(slice_is(key, SLICE("\"time\"")) && slice_is(value, SLICE("5")));
	if (m->event.p != NULL)
		check_string(&members, "event", m->event);
	if (m->id.p != NULL)
		check_string(&members, "id", m->id);
	if (!m->is_json)
		check_string(&members, "data", m->data);
	else
		CHECK(json_next_member(&members, &key, &value) &&
		    slice_is(key, SLICE("\"data\"")));
	CHECK(!json_next_member(&members, &key, &value));
}

static void
check_sse(const struct message *m, enum form form)
{
	struct sse_reader r;
	struct buf b, want;

	encode(&b, m, form);
	sse_reader_init(&r);
	sse_reader_feed(&r, buf_slice(&b));
	CHECK(r.n_events == 1 && r.n_unknown == 0 && r.retry.n == 0);
	CHECK(r.line.n == 0 && r.data.n == 0 && r.type.n == 0);
	CHECK(slice_is(buf_slice(&r.last_id), SLICE(CURSOR)));
	CHECK(slice_is(buf_slice(&r.event_type),
	    m->event.n == 0 ? SLICE("message") : m->event));
	buf_init(&want, 0);
	if (form == FORM_SSE) {
		sse_reader_normalise(&want, m->data);
		CHECK(slice_is(buf_slice(&r.event_data), buf_slice(&want)));
	} else {
		check_object(buf_slice(&r.event_data), m, false);
	}
	buf_fini(&want);
	buf_fini(&b);
	sse_reader_fini(&r);
}

static void
check_lines(const struct message *m)
{
	struct buf line, object;

	encode(&line, m, FORM_NDJSON);
	encode(&object, m, FORM_OBJECT);
	CHECK(line.p[line.n - 1] == '\n');
	line.n--;
	CHECK(slice_is(buf_slice(&line), buf_slice(&object)));
	check_object(buf_slice(&object), m, false);
	buf_fini(&line);
	buf_fini(&object);
}

static void
check_script(const struct message *m)
{
	struct buf b;
	struct slice s;

	encode(&b, m, FORM_SCRIPT);
	s = buf_slice(&b);
	CHECK(slice_starts(s, SLICE(SCRIPT_HEAD)));
	s = slice_after(s, sizeof SCRIPT_HEAD - 1);
	CHECK(s.n > sizeof SCRIPT_TAIL);
	s.n -= sizeof SCRIPT_TAIL - 1;
	CHECK(memcmp(s.p + s.n, SCRIPT_TAIL, sizeof SCRIPT_TAIL - 1) == 0);
	check_object(s, m, true);
	buf_fini(&b);
}

static void
check_poll(const struct message *m, bool is_gap)
{
	struct poll_answer a;
	struct buf b;

	buf_init(&b, 0);
	encode_poll_begin(&b, &a, (struct slice){NULL, 0}, is_gap);
	encode_poll_message(&b, &a, m);
	encode_poll_message(&b, &a, m);
	encode_poll_end(&b, &a, 124, EPOCH, is_gap, is_gap);
	CHECK(b.rc == RC_OK && is_compact_json(buf_slice(&b)));
	buf_fini(&b);
}

static size_t
count_tags(const struct message *m)
{
	struct html_poll p;
	struct buf b;
	size_t n = 0;

	buf_init(&b, 0);
	html_poll_begin(&b, &p, m->channel, 0, false);
	html_poll_message(&b, &p, m);
	html_poll_end(&b, &p, m->data);
	CHECK(b.rc == RC_OK);
	for (size_t i = 0; i < b.n; i++)
		n += b.p[i] == '<' || b.p[i] == '>' || b.p[i] == '"' ||
		    b.p[i] == '\'';
	buf_fini(&b);
	return n;
}

/* No text adds a tag, nor a quote, to the page. */
static void
check_html(const struct message *m)
{
	struct message plain = *m;

	plain.channel = plain.data = plain.id = SLICE("x");
	if (m->event.n != 0)
		plain.event = SLICE("x");
	CHECK(count_tags(m) == count_tags(&plain));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = {(const char *)data, size};
	struct buf channel, event, id, text;
	struct message m = {.seq = 124, .time_ms = 5};
	uint8_t flags;

	if (size == 0)
		return 0;
	flags = data[0];
	rest = slice_after(rest, 1);
	buf_init(&channel, 0);
	buf_init(&event, 0);
	buf_init(&id, 0);
	buf_init(&text, 0);
	read_field(&rest, &channel);
	read_field(&rest, &event);
	read_field(&rest, &id);
	utf8_add_repaired(&text, rest);
	m.channel = buf_slice(&channel);
	if (flags & HAS_EVENT)
		m.event = buf_slice(&event);
	if (flags & HAS_ID)
		m.id = buf_slice(&id);
	if (flags & IS_JSON && text.n != 0) {
		size_t n = text.n;

		m.is_json = json_compact(text.p, &n, NULL) == RC_OK;
		text.n = m.is_json ? n : text.n;
		if (!m.is_json && !utf8_is_valid(buf_slice(&text)))
			text.n = 0; /* half squeezed */
	}
	m.data = buf_slice(&text);
	check_sse(&m, FORM_SSE);
	check_sse(&m, FORM_SSE_JSON);
	check_lines(&m);
	check_script(&m);
	check_poll(&m, flags & HAS_EVENT);
	check_html(&m);
	buf_fini(&channel);
	buf_fini(&event);
	buf_fini(&id);
	buf_fini(&text);
	return 0;
}

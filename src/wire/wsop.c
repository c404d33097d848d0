#include "wire/wsop.h"

#include "base/channel.h"
#include "base/utf8.h"
#include "wire/encode.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/wsframe.h"

#define REF_MAX_BYTES 256

/* Literals only: the length is known when compiling. */
#define ADD(b, literal) buf_add((b), "" literal, sizeof(literal) - 1)

/* ---- what a client says ---- */

static const struct {
	const char *name;
	enum wsop_kind kind;
} kinds[] = {
    {"subscribe", WSOP_SUBSCRIBE},
    {"unsubscribe", WSOP_UNSUBSCRIBE},
    {"publish", WSOP_PUBLISH},
    {"ping", WSOP_PING},
};

/* The members of the object, as JSON texts; p == NULL: not there. */
struct members {
	struct slice op, ref, since, last;
	struct envelope_members message;
};

/* What the slices of a frame point into is the caller's to change. */
static struct slice
unescape(struct slice string)
{
	return json_unescape((char *)string.p, string.n);
}

/* Absent and null are alike. */
static bool
is_given(struct slice value)
{
	return value.p != NULL && value.p[0] != 'n';
}

static void
gather(struct slice object, struct members *got)
{
	struct json_members rest = json_members_of(object);
	struct slice name, value;

	*got = (struct members){.op = {NULL, 0}};
	while (json_next_member(&rest, &name, &value)) {
		name = unescape(name);
		if (slice_is(name, SLICE("op")))
			got->op = value;
		else if (slice_is(name, SLICE("ref")))
			got->ref = value;
		else if (slice_is(name, SLICE("since")))
			got->since = value;
		else if (slice_is(name, SLICE("last")))
			got->last = value;
		else
			envelope_note(&got->message, name, value);
	}
}

static enum rc
read_kind(struct wsop *op, struct slice value, struct err *e)
{
	if (value.p != NULL && value.p[0] == '"') {
		value = unescape(value);
		for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
			op->kind = kinds[i].kind;
			if (slice_is(value, slice_of(kinds[i].name)))
				return RC_OK;
		}
	}
	return err_set(e, RC_BAD,
	    "\"op\" must be \"subscribe\", \"unsubscribe\", \"publish\" or"
	    " \"ping\"");
}

static enum rc
read_pattern(struct wsop *op, struct slice value, struct err *e)
{
	if (value.p == NULL || value.p[0] != '"')
		return err_set(e, RC_BAD,
		    "\"channel\" must be a string: the channel or pattern");
	op->channel = channel_trim(unescape(value));
	return pattern_check(op->channel, e);
}

static enum rc
read_since(struct wsop *op, struct slice value, struct err *e)
{
	bool is_string = value.p[0] == '"';
	enum rc rc;

	if (is_string)
		value = unescape(value);
	if (is_string && slice_is(value, SLICE("now"))) {
		op->from = WSOP_NOW;
		return RC_OK;
	}
	op->from = WSOP_CURSOR;
	rc = cursor_parse(value, &op->since, e);
	/* 1.12345678 is a number, and no cursor */
	if (rc == RC_OK && !is_string && op->since.has_epoch)
		rc = err_set(
		    e, RC_BAD, "\"since\" has an epoch: give it as a string");
	return rc;
}

static enum rc
read_last(struct wsop *op, struct slice value, struct err *e)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < value.n && v <= UINT32_MAX; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			break;
		v = v * 10 + (uint64_t)(value.p[i] - '0');
	}
	if (i < value.n || v > UINT32_MAX)
		return err_set(e, RC_BAD,
		    "\"last\" must be an integer from 0 to %u",
		    (unsigned)UINT32_MAX);
	op->from = WSOP_LAST;
	op->last = (uint32_t)v;
	return RC_OK;
}

static enum rc
read_subscribe(struct wsop *op, const struct members *got, struct err *e)
{
	enum rc rc = read_pattern(op, got->message.channel, e);

	if (rc == RC_OK && is_given(got->last))
		rc = read_last(op, got->last, e);
	if (rc == RC_OK && is_given(got->since))
		rc = read_since(op, got->since, e);
	return rc;
}

static enum rc
read_publish(struct wsop *op, const struct members *got,
    const struct envelope_limits *limits, struct err *e)
{
	if (!is_given(got->message.channel))
		return err_set(e, RC_BAD, "the message has no \"channel\"");
	return envelope_read_members(&got->message, limits, &op->message, e);
}

enum rc
wsop_parse(char *text, size_t n, const struct envelope_limits *limits,
    struct wsop *op, struct err *e)
{
	struct members got;
	enum rc rc = json_compact(text, &n, e);

	*op = (struct wsop){.from = WSOP_NOW};
	if (rc != RC_OK)
		return rc;
	if (text[0] != '{')
		return err_set(e, RC_BAD,
		    "what is sent must be a JSON object with an \"op\"");
	gather((struct slice){text, n}, &got);
	if (got.ref.n > REF_MAX_BYTES)
		return err_set(e, RC_BAD,
		    "\"ref\" has %zu bytes: at most %d are allowed", got.ref.n,
		    REF_MAX_BYTES);
	op->ref = got.ref;
	rc = read_kind(op, got.op, e);
	if (rc != RC_OK)
		return rc;
	switch (op->kind) {
	case WSOP_SUBSCRIBE:
		return read_subscribe(op, &got, e);
	case WSOP_UNSUBSCRIBE:
		return read_pattern(op, got.message.channel, e);
	case WSOP_PUBLISH:
		return read_publish(op, &got, limits, e);
	case WSOP_PING:
		break;
	}
	return RC_OK;
}

/* ---- what the server says ---- */

/* Begins a text frame of unknown length: leaves the most that its header can
   take.  Returns where it begins, for end_frame. */
static size_t
begin_frame(struct buf *b)
{
	size_t start = b->n;

	if (buf_room(b, WSFRAME_HEAD_MAX_BYTES) != NULL)
		b->n += WSFRAME_HEAD_MAX_BYTES;
	return start;
}

/* Writes the header and moves the payload up to it. */
static void
end_frame(struct buf *b, size_t start, bool is_deflated)
{
	char head[WSFRAME_HEAD_MAX_BYTES];
	size_t n = b->n - start - WSFRAME_HEAD_MAX_BYTES, head_n;

	if (b->rc != RC_OK)
		return;
	head_n = wsframe_put_head(head, WS_TEXT, is_deflated, n);
	memcpy(b->p + start, head, head_n);
	memmove(b->p + start + head_n, b->p + start + sizeof head, n);
	b->n = start + head_n + n;
}

static void
add_ref(struct buf *b, struct slice ref)
{
	if (ref.p == NULL)
		return;
	ADD(b, ",\"ref\":");
	buf_add_slice(b, ref);
}

static void
add_cursor(struct buf *b, uint64_t seq, uint32_t epoch)
{
	ADD(b, ",\"cursor\":\"");
	cursor_add(b, seq, epoch);
	buf_add_char(b, '"');
}

void
wsop_add_ok(struct buf *b, struct slice ref, uint64_t seq, uint32_t epoch)
{
	size_t start = begin_frame(b);

	ADD(b, "{\"op\":\"ok\"");
	add_ref(b, ref);
	add_cursor(b, seq, epoch);
	buf_add_char(b, '}');
	end_frame(b, start, false);
}

void
wsop_add_published(struct buf *b, struct slice ref, struct slice channel,
    uint64_t seq, uint32_t epoch, bool is_duplicate)
{
	size_t start = begin_frame(b);

	ADD(b, "{\"op\":\"ok\"");
	add_ref(b, ref);
	ADD(b, ",\"seq\":");
	buf_add_uint(b, seq);
	add_cursor(b, seq, epoch);
	ADD(b, ",\"channel\":");
	json_add_string(b, channel, false);
	if (is_duplicate)
		ADD(b, ",\"duplicate\":true");
	buf_add_char(b, '}');
	end_frame(b, start, false);
}

/* The detail may quote what a client sent, cut within a character. */
static void
add_detail(struct buf *b, const char *detail)
{
	struct buf repaired;

	buf_init(&repaired, 0);
	utf8_add_repaired(&repaired, slice_of(detail));
	ADD(b, ",\"detail\":");
	json_add_string(b, buf_slice(&repaired), false);
	if (repaired.rc != RC_OK && b->rc == RC_OK)
		b->rc = repaired.rc;
	buf_fini(&repaired);
}

void
wsop_add_error(struct buf *b, struct slice ref, enum rc rc, const char *detail,
    uint32_t retry_s)
{
	int status = rc_http_status(rc);
	size_t start = begin_frame(b);
	char room[ERR_TEXT_BYTES];

	ADD(b, "{\"op\":\"error\"");
	add_ref(b, ref);
	ADD(b, ",\"status\":");
	buf_add_uint(b, (uint64_t)status);
	ADD(b, ",\"title\":");
	json_add_string(b, slice_of(http_reason(status)), false);
	add_detail(b, rc_told(rc, detail, room));
	if (status == 429 || status == 503) {
		ADD(b, ",\"retry\":");
		buf_add_uint(b, retry_s);
	}
	buf_add_char(b, '}');
	end_frame(b, start, false);
}

void
wsop_add_pong(struct buf *b, struct slice ref)
{
	size_t start = begin_frame(b);

	ADD(b, "{\"op\":\"pong\"");
	add_ref(b, ref);
	buf_add_char(b, '}');
	end_frame(b, start, false);
}

void
wsop_add_gap(struct buf *b, struct slice channel, uint64_t seq, uint32_t epoch)
{
	size_t start = begin_frame(b);

	ADD(b, "{\"op\":\"gap\",\"gap\":true");
	if (channel.p != NULL) {
		ADD(b, ",\"channel\":");
		json_add_string(b, channel, false);
	}
	add_cursor(b, seq, epoch);
	buf_add_char(b, '}');
	end_frame(b, start, false);
}

void
wsop_add_heartbeat(struct buf *b, uint64_t seq, uint32_t epoch)
{
	size_t start = begin_frame(b);

	ADD(b, "{\"op\":\"heartbeat\"");
	add_cursor(b, seq, epoch);
	buf_add_char(b, '}');
	end_frame(b, start, false);
}

/* ---- messages ---- */

static void
add_object(struct buf *b, const struct message *m)
{
	/* at once what most take, and no more than any takes */
	buf_room(b, m->channel.n + m->data.n);
	ADD(b, "{\"op\":\"message\",");
	encode_members(b, m, false);
}

static void
add_plain(struct buf *b, const struct message *m)
{
	size_t start = begin_frame(b);

	add_object(b, m);
	end_frame(b, start, false);
}

/* A text never points back beyond its own beginning, so what fits a window can
   be read with it, whatever the deflater's own. */
static bool
fits_window(struct slice text, uint8_t window_bits)
{
	return window_bits >= DEFLATE_WINDOW_BITS ||
	    text.n <= (size_t)1 << window_bits;
}

/* Appends text deflated; false, and nothing, if that isn't shorter. */
static bool
add_deflated(struct buf *b, struct slice text, struct deflater *d)
{
	size_t start = begin_frame(b);

	deflater_add(d, b, text);
	if (b->rc == RC_OK && b->n - start - WSFRAME_HEAD_MAX_BYTES >= text.n) {
		b->n = start;
		return false;
	}
	end_frame(b, start, true);
	return true;
}

void
wsop_add_message(struct buf *b, const struct message *m, struct deflater *d,
    uint8_t window_bits)
{
	struct buf text;

	if (d == NULL) {
		add_plain(b, m);
		return;
	}
	buf_init(&text, 0);
	add_object(&text, m);
	if (text.rc != RC_OK)
		b->rc = b->rc == RC_OK ? text.rc : b->rc;
	else if (!fits_window(buf_slice(&text), window_bits) ||
	    !add_deflated(b, buf_slice(&text), d))
		wsframe_add(b, WS_TEXT, buf_slice(&text));
	buf_fini(&text);
}

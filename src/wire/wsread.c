#include "wire/wsread.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#define CONTROL_MAX_BYTES 125
#define MASK_BYTES 4
#define PONGS_MAX 64 /* in one call */

/* A buffer beyond this isn't kept for the next message. */
#define KEPT_MAX_BYTES ((size_t)64 * 1024)

/*
 * wslay's frame interface takes the frames apart and unmasks them; the rules
 * of messages are kept here.  Its event interface would keep them too, but
 * checks the reason of a Close wrongly when it comes in pieces, refuses the
 * status codes 1012 to 1014, lets a Close of one byte pass, and answers a bad
 * length with a Close that says nothing (1.1.1).
 */
struct wsread {
	wslay_frame_context_ptr frames;

	/* of this call */
	const struct wsread_rules *rules;
	bool has_deflate;
	struct slice bytes; /* what wslay has not taken yet */
	struct buf *out;
	uint16_t *peer_status;
	void *arg;
	enum wsread_result result;
	unsigned pongs;
	struct slice last_pong; /* in pong; p == NULL: none is due */
	char pong[CONTROL_MAX_BYTES];

	/* the frame that is being read */
	bool is_in_frame;
	uint64_t left_bytes; /* of its payload */
	size_t unread_bytes; /* with wslay, not yet told: of a header */

	/* the message that is being read; WS_CONTINUATION: none */
	enum ws_opcode opcode;
	bool is_deflated;
	struct buf data;
	size_t checked_bytes; /* of data, found to be UTF-8 */
	struct buf inflated;

	char control[CONTROL_MAX_BYTES];
	size_t control_n;
};

static ssize_t
on_recv(uint8_t *to, size_t n, int flags, void *arg)
{
	struct wsread *r = arg;

	(void)flags;
	if (r->bytes.n == 0)
		return -1;
	if (n > r->bytes.n)
		n = r->bytes.n;
	memcpy(to, r->bytes.p, n);
	r->bytes = slice_after(r->bytes, n);
	r->unread_bytes += n;
	return (ssize_t)n;
}

/* All functions that return bool: false when r->result says why to stop. */
static bool
close_with(struct wsread *r, uint16_t status, const char *why)
{
	wsframe_add_close(r->out, status, slice_of(why));
	r->result = WSREAD_CLOSED;
	return false;
}

static bool
protocol_error(struct wsread *r, const char *why)
{
	return close_with(r, WS_PROTOCOL_ERROR, why);
}

static bool
not_masked(struct wsread *r)
{
	return protocol_error(r, "a frame isn't masked");
}

/* Forgets what b holds, and its memory if that is much. */
static void
empty(struct buf *b)
{
	if (b->cap > KEPT_MAX_BYTES)
		buf_fini(b);
	else
		buf_clear(b);
}

/* ---- messages ---- */

/* Compressed data may be longer than what it stands for: stored blocks. */
static size_t
most_bytes(const struct wsread *r)
{
	size_t n = r->rules->message_bytes;

	return r->is_deflated ? n + n / 8 + 128 : n;
}

static bool
begin_message(struct wsread *r, const struct wslay_frame_iocb *frame)
{
	if (r->opcode != WS_CONTINUATION)
		return protocol_error(
		    r, "a message begins before the one before has ended");
	r->opcode = frame->opcode == WS_TEXT ? WS_TEXT : WS_BINARY;
	r->is_deflated = wslay_get_rsv1(frame->rsv);
	r->checked_bytes = 0;
	return true;
}

/* True if s, of less than a character's length, is how one can begin. */
static bool
may_begin_char(struct slice s)
{
	/* one of the two continues any first bytes that can be continued */
	static const char *const ends[] = {"\x80\x80\x80", "\xbf\xbf\xbf"};
	char text[4];

	if (s.n >= sizeof text)
		return false;
	for (size_t i = 0; i < 2; i++) {
		memcpy(text, s.p, s.n);
		memcpy(text + s.n, ends[i], sizeof text - s.n);
		/* the rest of `ends` behind it is invalid anyway */
		if (utf8_valid((struct slice){text, sizeof text}) > 0)
			return true;
	}
	return false;
}

/* Text that came uncompressed fails as early as it can. */
static bool
check_text(struct wsread *r, bool is_whole)
{
	struct slice rest = slice_after(buf_slice(&r->data), r->checked_bytes);
	size_t n = utf8_valid(rest);

	r->checked_bytes += n;
	rest = slice_after(rest, n);
	if (rest.n > 0 && (is_whole || !may_begin_char(rest)))
		return close_with(r, WS_BAD_PAYLOAD, "text must be UTF-8");
	return true;
}

static bool
too_big(struct wsread *r)
{
	return close_with(r, WS_TOO_BIG, "the message is too long");
}

static bool
no_memory(struct wsread *r)
{
	return close_with(r, WS_INTERNAL_ERROR, "out of memory");
}

static bool
add_data(struct wsread *r, const struct wslay_frame_iocb *frame)
{
	buf_add(&r->data, frame->data, frame->data_length);
	if (r->data.rc != RC_OK)
		return no_memory(r);
	if (r->opcode == WS_TEXT && !r->is_deflated)
		return check_text(r, false);
	return true;
}

static bool
inflate_message(struct wsread *r)
{
	struct buf *to = &r->inflated;
	enum rc rc;

	to->limit_bytes = r->rules->message_bytes;
	rc = inflater_add(r->rules->inflater, to, buf_slice(&r->data), NULL);
	if (rc == RC_TOO_LARGE)
		return too_big(r);
	if (rc == RC_NOMEM)
		return no_memory(r);
	if (rc != RC_OK)
		return close_with(
		    r, WS_BAD_PAYLOAD, "the payload is not deflated data");
	if (r->opcode == WS_TEXT && !utf8_is_valid(buf_slice(to)))
		return close_with(r, WS_BAD_PAYLOAD, "text must be UTF-8");
	return true;
}

static bool
end_message(struct wsread *r)
{
	struct buf *whole = r->is_deflated ? &r->inflated : &r->data;
	char nothing[1] = "";

	if (r->is_deflated ? !inflate_message(r)
	                   : r->opcode == WS_TEXT && !check_text(r, true))
		return false;
	if (!r->rules->message(r->arg, whole->n > 0 ? whole->p : nothing,
	        whole->n, r->opcode == WS_BINARY)) {
		r->result = WSREAD_DROPPED;
		return false;
	}
	empty(&r->data);
	empty(&r->inflated);
	r->opcode = WS_CONTINUATION;
	return true;
}

/* ---- control frames (5.5) ---- */

/* Whether a peer may send this status in a Close (7.4; registered since: 1012
   to 1014). */
static bool
is_status(unsigned status)
{
	if (status >= 3000)
		return status <= 4999;
	return status >= 1000 && status <= 1014 && status != 1004 &&
	    status != 1005 && status != 1006;
}

static bool
take_close(struct wsread *r)
{
	struct slice reason = {r->control, r->control_n};
	unsigned status = 0;

	if (r->control_n == 1)
		return protocol_error(r, "half a status in a Close");
	if (r->control_n > 1) {
		status = (unsigned)(unsigned char)r->control[0] << 8 |
		    (unsigned char)r->control[1];
		if (!is_status(status))
			return protocol_error(r, "no such status in a Close");
		reason = slice_after(reason, 2);
		if (!utf8_is_valid(reason))
			return close_with(r, WS_BAD_PAYLOAD,
			    "a Close's reason must be UTF-8");
	}
	*r->peer_status = status == 0 ? 1005 : (uint16_t)status;
	return close_with(r, (uint16_t)status, "");
}

/* The last one waits for the end of the call, where it may be a later one. */
static void
take_ping(struct wsread *r)
{
	struct slice payload = {r->control, r->control_n};

	if (r->pongs + 1 < PONGS_MAX) {
		r->pongs++;
		wsframe_add(r->out, WS_PONG, payload);
		return;
	}
	memcpy(r->pong, payload.p, payload.n);
	r->last_pong = (struct slice){r->pong, payload.n};
}

/* ---- frames ---- */

static size_t
head_bytes(uint64_t payload_bytes)
{
	char head[WSFRAME_HEAD_MAX_BYTES];

	return MASK_BYTES +
	    wsframe_put_head(head, WS_TEXT, false, payload_bytes);
}

/* wslay has seen to the lengths, and to control frames being whole. */
static bool
begin_frame(struct wsread *r, const struct wslay_frame_iocb *frame)
{
	bool may_deflate = r->has_deflate &&
	    (frame->opcode == WS_TEXT || frame->opcode == WS_BINARY);

	r->is_in_frame = true;
	r->left_bytes = frame->payload_length;
	r->control_n = 0;
	if ((frame->rsv & ~(may_deflate ? WSLAY_RSV1_BIT : 0)) != 0)
		return protocol_error(r, "a reserved bit is set");
	if (!frame->mask)
		return not_masked(r);
	r->unread_bytes -= head_bytes(frame->payload_length);
	switch (frame->opcode) {
	case WS_TEXT:
	case WS_BINARY:
		if (!begin_message(r, frame))
			return false;
		break;
	case WS_CONTINUATION:
		if (r->opcode == WS_CONTINUATION)
			return protocol_error(r, "nothing is to be continued");
		break;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		return true;
	default:
		return protocol_error(r, "the opcode is unknown");
	}
	if (frame->payload_length > most_bytes(r) - r->data.n)
		return too_big(r);
	return true;
}

static bool
end_frame(struct wsread *r, const struct wslay_frame_iocb *frame)
{
	r->is_in_frame = false;
	switch (frame->opcode) {
	case WS_CLOSE:
		return take_close(r);
	case WS_PING:
		take_ping(r);
		return true;
	case WS_PONG:
		return true;
	default:
		return !frame->fin || end_message(r);
	}
}

/* What wslay has of a frame: its begin or more of its payload. */
static bool
take_piece(struct wsread *r, const struct wslay_frame_iocb *frame)
{
	size_t n = frame->data_length;

	if (!r->is_in_frame && !begin_frame(r, frame))
		return false;
	r->unread_bytes -= n;
	r->left_bytes -= n;
	if (!wslay_is_ctrl_frame(frame->opcode)) {
		if (n > 0 && !add_data(r, frame))
			return false;
	} else if (n > 0) {
		memcpy(r->control + r->control_n, frame->data, n);
		r->control_n += n;
	}
	return r->left_bytes > 0 || end_frame(r, frame);
}

/* wslay tells of a frame only with its first byte of payload; until then its
   header is unread, the last bytes of what came.  Whether the second of them
   lacks the mask's bit; where it lies before `came`, an earlier call looked. */
static bool
lacks_mask(const struct wsread *r, struct slice came)
{
	size_t n = r->unread_bytes;

	if (n < 2 || n - 1 > came.n)
		return false;
	return (came.p[came.n - (n - 1)] & 0x80) == 0;
}

static void
read_frames(struct wsread *r)
{
	const struct slice came = r->bytes;
	struct wslay_frame_iocb frame;
	ssize_t n;

	do {
		n = wslay_frame_recv(r->frames, &frame);
		if (n >= 0) {
			if (!take_piece(r, &frame))
				return;
		} else if (n != WSLAY_ERR_WANT_READ) {
			protocol_error(r, "a frame's length is wrong");
			return;
		}
	} while (n >= 0 || r->bytes.n > 0);
	if (lacks_mask(r, came)) {
		not_masked(r);
		return;
	}
	if (r->last_pong.p != NULL)
		wsframe_add(r->out, WS_PONG, r->last_pong);
}

static struct wsread *
wsread_new(void)
{
	const struct wslay_frame_callbacks callbacks = {NULL, on_recv, NULL};
	struct wsread *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	if (wslay_frame_context_init(&r->frames, &callbacks, r) != 0) {
		free(r);
		return NULL;
	}
	return r;
}

void
wsread_free(struct wsread *r)
{
	if (r == NULL)
		return;
	buf_fini(&r->data);
	buf_fini(&r->inflated);
	wslay_frame_context_free(r->frames);
	free(r);
}

static bool
is_between_messages(const struct wsread *r)
{
	return r->unread_bytes == 0 && !r->is_in_frame &&
	    r->opcode == WS_CONTINUATION;
}

enum wsread_result
wsread_bytes(struct wsread **r, const struct wsread_rules *rules,
    bool has_deflate, struct slice bytes, struct buf *out,
    uint16_t *peer_status, void *arg)
{
	struct wsread *now = *r;
	enum wsread_result result;

	assert(rules->message_bytes > 0);
	*peer_status = 0;
	if (bytes.n == 0)
		return WSREAD_OPEN;
	if (now == NULL)
		now = *r = wsread_new();
	if (now == NULL) {
		wsframe_add_close(
		    out, WS_INTERNAL_ERROR, SLICE("out of memory"));
		return WSREAD_CLOSED;
	}
	now->rules = rules;
	now->has_deflate = has_deflate;
	now->bytes = bytes;
	now->out = out;
	now->peer_status = peer_status;
	now->arg = arg;
	now->result = WSREAD_OPEN;
	now->pongs = 0;
	now->last_pong = (struct slice){NULL, 0};
	read_frames(now);
	result = now->result;
	if (result != WSREAD_OPEN || is_between_messages(now)) {
		wsread_free(now);
		*r = NULL;
	}
	return result;
}

#include "wire/encode.h"

#include "base/cursor.h"
#include "wire/bayeux.h"
#include "wire/json.h"
#include "wire/sse.h"
#include "wire/wsframe.h"
#include "wire/wsop.h"

#define CALLBACK_MAX_BYTES 128
#define PADDING_BYTES 2048
#define OBJECT_LEAST_BYTES \
	(sizeof "{'seq':1,'channel':'','time':0,'data':}" - 1)

/* Literals only: the length is known when compiling. */
#define ADD(b, literal) buf_add((b), "" literal, sizeof(literal) - 1)

static void
add_time(struct buf *b, int64_t ms)
{
	if (ms < 0)
		buf_add_char(b, '-');
	buf_add_uint(b, ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms);
}

void
encode_members(struct buf *b, const struct message *m, bool for_script)
{
	ADD(b, "\"seq\":");
	buf_add_uint(b, m->seq);
	ADD(b, ",\"channel\":");
	json_add_string(b, m->channel, for_script);
	ADD(b, ",\"time\":");
	add_time(b, m->time_ms);
	if (m->event.p != NULL) {
		ADD(b, ",\"event\":");
		json_add_string(b, m->event, for_script);
	}
	if (m->id.p != NULL) {
		ADD(b, ",\"id\":");
		json_add_string(b, m->id, for_script);
	}
	ADD(b, ",\"data\":");
	if (m->is_json)
		json_add_text(b, m->data, for_script);
	else
		json_add_string(b, m->data, for_script);
	buf_add_char(b, '}');
}

void
encode_object(struct buf *b, const struct message *m, bool for_script)
{
	/* at once what the object takes at least, so never beyond the bound */
	buf_room(b, OBJECT_LEAST_BYTES + m->channel.n + m->data.n);
	buf_add_char(b, '{');
	encode_members(b, m, for_script);
}

static bool
is_sse(enum form form)
{
	return form == FORM_SSE || form == FORM_SSE_JSON;
}

static bool
is_bayeux(enum form form)
{
	return form == FORM_BAYEUX || form == FORM_BAYEUX_REPLAY;
}

/* What stands before an object in the forms other than SSE. */
static void
begin_object(struct buf *b, const struct encode *how)
{
	if (how->form != FORM_SCRIPT)
		return;
	ADD(b, "<script>");
	buf_add_slice(b,
	    how->callback.p != NULL ? how->callback : SLICE(DEFAULT_CALLBACK));
	buf_add_char(b, '(');
}

/* What stands after it. */
static void
end_object(struct buf *b, const struct encode *how)
{
	if (how->form == FORM_SCRIPT)
		ADD(b, ")</script>\n");
	else if (how->form == FORM_NDJSON)
		buf_add_char(b, '\n');
}

static void
add_bayeux_frame(struct buf *b, const struct message *m, bool with_replay)
{
	struct bayeux_answer a;
	struct buf text;

	buf_init(&text, 0);
	bayeux_answer_begin(&text, &a, (struct slice){0});
	bayeux_answer_next(&text, &a);
	bayeux_add_event(&text, m, with_replay, false);
	bayeux_answer_end(&text, &a);
	if (text.rc == RC_OK)
		wsframe_add(b, WS_TEXT, buf_slice(&text));
	else if (b->rc == RC_OK)
		b->rc = text.rc;
	buf_fini(&text);
}

void
encode_message(struct buf *b, const struct encode *how, const struct message *m)
{
	switch (how->form) {
	case FORM_SSE:
		sse_add_head(b, m->seq, how->epoch, m->event, m->data.n);
		sse_add_data(b, m->data);
		break;
	case FORM_SSE_JSON:
		sse_add_head(b, m->seq, how->epoch, m->event, m->data.n);
		ADD(b, "data: ");
		encode_object(b, m, false);
		ADD(b, "\n\n");
		break;
	case FORM_WS:
		wsop_add_message(b, m, NULL, 0);
		break;
	case FORM_WS_DEFLATE:
		wsop_add_message(b, m, how->deflater, how->window_bits);
		break;
	case FORM_BAYEUX:
	case FORM_BAYEUX_REPLAY:
		add_bayeux_frame(b, m, how->form == FORM_BAYEUX_REPLAY);
		break;
	case FORM_NDJSON:
	case FORM_SCRIPT:
	case FORM_OBJECT:
	case FORMS:
		begin_object(b, how);
		encode_object(b, m, how->form == FORM_SCRIPT);
		end_object(b, how);
		break;
	}
}

/* The page grows past what browsers gather before they begin to parse it. */
static void
add_script_page(struct buf *b)
{
	char *to;

	ADD(b,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>"
	    "<meta charset=\"utf-8\"><title>Live updates</title></head>\n"
	    "<body>\n");
	to = buf_room(b, PADDING_BYTES);
	if (to == NULL)
		return;
	memset(to, ' ', PADDING_BYTES - 1);
	to[PADDING_BYTES - 1] = '\n';
	b->n += PADDING_BYTES;
}

void
encode_opening(struct buf *b, const struct encode *how, uint64_t cursor_seq,
    uint32_t retry_ms, bool is_gap)
{
	if (is_sse(how->form)) {
		ADD(b, "retry: ");
		buf_add_uint(b, retry_ms);
		ADD(b, "\nid: ");
		cursor_add(b, cursor_seq, how->epoch);
		ADD(b, "\n\n");
	}
	if (how->form == FORM_SCRIPT)
		add_script_page(b);
	if (form_is_ws(how->form))
		wsop_add_ok(b, (struct slice){0}, cursor_seq, how->epoch);
	if (is_gap)
		encode_gap(b, how, cursor_seq);
	else if (!is_sse(how->form) && !form_is_ws(how->form))
		encode_heartbeat(b, how, cursor_seq);
}

void
encode_heartbeat(struct buf *b, const struct encode *how, uint64_t cursor_seq)
{
	if (is_bayeux(how->form))
		return; /* the connect's reply says it */
	if (form_is_ws(how->form)) {
		wsop_add_heartbeat(b, cursor_seq, how->epoch);
		return;
	}
	if (is_sse(how->form)) {
		sse_add_head(b, cursor_seq, how->epoch, SLICE("heartbeat"), 0);
		ADD(b, "data: ");
		cursor_add(b, cursor_seq, how->epoch);
		ADD(b, "\n\n");
		return;
	}
	begin_object(b, how);
	ADD(b, "{\"heartbeat\":\"");
	cursor_add(b, cursor_seq, how->epoch);
	ADD(b, "\"}");
	end_object(b, how);
}

void
encode_gap(struct buf *b, const struct encode *how, uint64_t cursor_seq)
{
	if (is_bayeux(how->form))
		return; /* likewise */
	if (form_is_ws(how->form)) {
		wsop_add_gap(b, (struct slice){0}, cursor_seq, how->epoch);
		return;
	}
	if (is_sse(how->form)) {
		sse_add_head(b, cursor_seq, how->epoch, SLICE("gap"), 0);
		ADD(b, "data: ");
	}
	begin_object(b, how);
	ADD(b, "{\"gap\":true,\"cursor\":\"");
	cursor_add(b, cursor_seq, how->epoch);
	ADD(b, "\"}");
	end_object(b, how);
	if (is_sse(how->form))
		ADD(b, "\n\n");
}

void
encode_ending(struct buf *b, const struct encode *how, uint32_t retry_ms)
{
	if (is_sse(how->form) && retry_ms > 0)
		sse_add_retry(b, retry_ms);
	else if (how->form == FORM_SCRIPT)
		ADD(b, "</body></html>");
}

void
encode_poll_begin(
    struct buf *b, struct poll_answer *a, struct slice callback, bool is_gap)
{
	*a = (struct poll_answer){.is_first = true, .callback = callback};
	if (callback.p != NULL) {
		/* the comment: no other file format can begin like this */
		ADD(b, "/**/");
		buf_add_slice(b, callback);
		buf_add_char(b, '(');
	}
	buf_add_char(b, '{');
	if (is_gap)
		ADD(b, "\"gap\":true,");
	ADD(b, "\"messages\":[");
}

void
encode_poll_message(
    struct buf *b, struct poll_answer *a, const struct message *m)
{
	if (!a->is_first)
		buf_add_char(b, ',');
	a->is_first = false;
	encode_object(b, m, a->callback.p != NULL);
}

void
encode_poll_end(struct buf *b, struct poll_answer *a, uint64_t cursor_seq,
    uint32_t epoch, bool is_more, bool is_degraded)
{
	ADD(b, "],\"cursor\":\"");
	cursor_add(b, cursor_seq, epoch);
	ADD(b, "\",\"more\":");
	buf_add_text(b, is_more ? "true" : "false");
	if (is_degraded)
		ADD(b, ",\"degraded\":true");
	buf_add_char(b, '}');
	if (a->callback.p != NULL)
		ADD(b, ");");
}

const char *
form_content_type(enum form form)
{
	switch (form) {
	case FORM_SSE:
	case FORM_SSE_JSON:
		return "text/event-stream";
	case FORM_NDJSON:
		return "application/x-ndjson";
	case FORM_SCRIPT:
		return "text/html; charset=utf-8";
	case FORM_WS:
	case FORM_WS_DEFLATE:
	case FORM_BAYEUX:
	case FORM_BAYEUX_REPLAY:
	case FORM_OBJECT:
	case FORMS:
		break;
	}
	return "application/json";
}

static bool
is_identifier_char(char c)
{
	char lower = (char)(c | 0x20);

	return (lower >= 'a' && lower <= 'z') || c == '_' || c == '$';
}

enum rc
callback_check(struct slice name, struct err *e)
{
	bool at_start = true;

	if (name.n > CALLBACK_MAX_BYTES)
		return err_set(
		    e, RC_BAD, "callback is over %d bytes", CALLBACK_MAX_BYTES);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (is_identifier_char(c) ||
		    (!at_start && c >= '0' && c <= '9'))
			at_start = false;
		else if (!at_start && c == '.')
			at_start = true;
		else
			goto bad;
	}
	if (!at_start)
		return RC_OK;
bad:
	return err_set(e, RC_BAD,
	    "callback must be a JavaScript name such as app.onMessage: letters,"
	    " digits, _ and $, joined by dots");
}

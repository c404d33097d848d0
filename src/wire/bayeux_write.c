#include "wire/bayeux.h"

#include "wire/json.h"

#define EVENT_LEAST_BYTES (sizeof "{'channel':'/','data':}" - 1)

/* Literals only: the length is known when compiling. */
#define ADD(b, literal) buf_add((b), "" literal, sizeof(literal) - 1)

static void
add_integer(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_add_char(b, '-');
	buf_add_uint(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* Our channel as Bayeux writes it. */
static void
add_channel(struct buf *b, struct slice channel, bool for_script)
{
	size_t start = b->n;

	buf_add_char(b, '"');
	json_add_string(b, channel, for_script);
	if (b->rc == RC_OK)
		b->p[start + 1] = '/'; /* in place of the second quote */
}

/* Members of an object that may have none before them. */
struct object {
	struct buf *b;
	bool has_members, for_script;
};

static void
add_name(struct object *o, const char *name)
{
	buf_add_char(o->b, o->has_members ? ',' : '{');
	o->has_members = true;
	buf_add_char(o->b, '"');
	buf_add_text(o->b, name);
	ADD(o->b, "\":");
}

static void
add_true(struct object *o, const char *name, bool is_told)
{
	if (!is_told)
		return;
	add_name(o, name);
	ADD(o->b, "true");
}

static void
add_string(struct object *o, const char *name, struct slice s)
{
	if (s.p == NULL)
		return;
	add_name(o, name);
	json_add_string(o->b, s, o->for_script);
}

/* ---- replies ---- */

struct bayeux_reply
bayeux_reply_to(const struct bayeux_message *m)
{
	return (struct bayeux_reply){
	    .kind = m->kind,
	    .channel = m->channel,
	    .id = m->id,
	    .error = m->error.code == 0 ? NULL : &m->error,
	    .subscription = m->subscription,
	    .subscriptions = m->subscriptions,
	    .is_list = m->is_list,
	    .has_timesync = m->has_timesync,
	    .timesync = m->timesync,
	};
}

static void
add_types(struct object *o, unsigned types)
{
	char between = '[';

	add_name(o, "supportedConnectionTypes");
	for (unsigned bit = 1; bit <= types; bit <<= 1) {
		if ((types & bit) == 0)
			continue;
		buf_add_char(o->b, between);
		json_add_string(
		    o->b, slice_of(bayeux_connection_name(bit)), false);
		between = ',';
	}
	if (between == '[')
		buf_add_char(o->b, '[');
	buf_add_char(o->b, ']');
}

static void
add_subscriptions(struct object *o, const struct bayeux_reply *r)
{
	if (r->subscriptions == 0)
		return;
	add_name(o, "subscription");
	for (size_t i = 0; i < r->subscriptions; i++) {
		if (i > 0)
			buf_add_char(o->b, ',');
		else if (r->is_list)
			buf_add_char(o->b, '[');
		json_add_string(
		    o->b, r->subscription[i].written, o->for_script);
	}
	if (r->is_list)
		buf_add_char(o->b, ']');
}

static void
add_advice(struct object *o, const struct bayeux_advice *a)
{
	static const char *const reconnect[] = {
	    [BAYEUX_RETRY] = "retry",
	    [BAYEUX_RECONNECT_HANDSHAKE] = "handshake",
	    [BAYEUX_RECONNECT_NONE] = "none",
	};
	struct object advice = {.b = o->b};

	add_name(o, "advice");
	add_string(&advice, "reconnect", slice_of(reconnect[a->reconnect]));
	add_name(&advice, "interval");
	buf_add_uint(o->b, a->interval_ms);
	add_name(&advice, "timeout");
	buf_add_uint(o->b, a->timeout_ms);
	if (a->max_interval_ms > 0) {
		add_name(&advice, "maxInterval");
		buf_add_uint(o->b, a->max_interval_ms);
	}
	add_true(&advice, "multiple-clients", a->has_multiple_clients);
	buf_add_char(o->b, '}');
}

/* ts is when the message came, p how long the answer took, a how far off the
   client's belief was: tc + o + l - ts. */
static void
add_timesync(struct object *ext, const struct bayeux_reply *r)
{
	const struct bayeux_timesync *t = &r->timesync;

	add_name(ext, "timesync");
	ADD(ext->b, "{\"tc\":");
	add_integer(ext->b, t->tc);
	ADD(ext->b, ",\"ts\":");
	add_integer(ext->b, r->received_ms);
	ADD(ext->b, ",\"p\":");
	add_integer(ext->b, r->waited_ms);
	ADD(ext->b, ",\"a\":");
	add_integer(ext->b, t->tc + t->o + t->l - r->received_ms);
	buf_add_char(ext->b, '}');
}

static void
add_ext(struct object *o, const struct bayeux_reply *r)
{
	struct object ext = {.b = o->b};

	if (!r->acks && !r->replays && !r->has_ack && !r->is_gap &&
	    !r->has_cursor && !r->has_timesync)
		return;
	add_name(o, "ext");
	add_true(&ext, "ack", r->acks);
	add_true(&ext, "replay", r->replays);
	if (r->has_ack) {
		add_name(&ext, "ack");
		buf_add_uint(o->b, r->ack);
	}
	add_true(&ext, "gap", r->is_gap);
	if (r->has_cursor) {
		add_name(&ext, "cursor");
		buf_add_char(o->b, '"');
		cursor_add(o->b, r->cursor.seq, r->cursor.epoch);
		buf_add_char(o->b, '"');
	}
	if (r->has_timesync)
		add_timesync(&ext, r);
	buf_add_char(o->b, '}');
}

void
bayeux_add_reply(struct buf *b, const struct bayeux_reply *r, bool for_script)
{
	struct object o = {.b = b, .for_script = for_script};

	add_string(&o, "channel", r->channel);
	if (r->id.p != NULL) {
		add_name(&o, "id");
		json_add_text(b, r->id, for_script);
	}
	add_name(&o, "successful");
	buf_add_text(b, r->error == NULL ? "true" : "false");
	if (r->error != NULL)
		add_string(&o, "error", slice_of(r->error->text));
	add_string(&o, "clientId", r->client_id);
	if (r->kind == BAYEUX_HANDSHAKE) {
		add_string(&o, "version", SLICE("1.0"));
		add_string(&o, "minimumVersion", SLICE("1.0"));
		add_types(&o, r->connection_types);
	}
	add_subscriptions(&o, r);
	if (r->advice != NULL)
		add_advice(&o, r->advice);
	add_ext(&o, r);
	buf_add_char(b, '}');
}

/* ---- events ---- */

bool
bayeux_is_event(struct slice channel)
{
	return !slice_starts(channel, SLICE("meta/"));
}

static void
add_data(struct buf *b, const struct message *m, bool for_script)
{
	if (m->is_json)
		json_add_text(b, m->data, for_script);
	else
		json_add_string(b, m->data, for_script);
}

/* Is a JSON string, with its quotes, this text (without escapes in JSON)? */
static bool
is_name(struct slice string, struct slice text)
{
	char copy[sizeof "'replayId'" * 6];

	if (memchr(string.p, '\\', string.n) == NULL)
		return string.n == text.n + 2 &&
		    memcmp(string.p + 1, text.p, text.n) == 0;
	if (string.n > sizeof copy)
		return false;
	memcpy(copy, string.p, string.n);
	return slice_is(json_unescape(copy, string.n), text);
}

/* The value of the last member of that name; p == NULL: there is none. */
static struct slice
find_member(struct slice object, struct slice name)
{
	struct json_members rest = json_members_of(object);
	struct slice found = {NULL, 0}, key, value;

	while (json_next_member(&rest, &key, &value))
		if (is_name(key, name))
			found = value;
	return found;
}

/* "{" and the members of a JSON object but that one, each with a ',' behind. */
static void
add_members_but(
    struct buf *b, struct slice object, struct slice but, bool for_script)
{
	struct json_members rest = json_members_of(object);
	struct slice key, value;

	buf_add_char(b, '{');
	while (json_next_member(&rest, &key, &value)) {
		if (is_name(key, but))
			continue;
		json_add_text(b, key, for_script);
		buf_add_char(b, ':');
		json_add_text(b, value, for_script);
		buf_add_char(b, ',');
	}
}

static void
add_data_with_replay(struct buf *b, const struct message *m, bool for_script)
{
	struct slice data = m->data, event = {NULL, 0};
	bool is_object = m->is_json && data.n > 0 && data.p[0] == '{';

	if (is_object)
		event = find_member(data, SLICE("event"));
	if (event.p != NULL && event.p[0] != '{')
		is_object = false;
	if (is_object)
		add_members_but(b, data, SLICE("event"), for_script);
	else
		buf_add_char(b, '{');
	ADD(b, "\"event\":");
	if (is_object && event.p != NULL)
		add_members_but(b, event, SLICE("replayId"), for_script);
	else
		buf_add_char(b, '{');
	ADD(b, "\"replayId\":");
	buf_add_uint(b, m->seq);
	buf_add_char(b, '}');
	if (!is_object) {
		ADD(b, ",\"payload\":");
		add_data(b, m, for_script);
	}
	buf_add_char(b, '}');
}

void
bayeux_add_event(
    struct buf *b, const struct message *m, bool with_replay, bool for_script)
{
	struct object ext = {.b = b, .for_script = for_script};

	/* at once what the event takes at least, so never beyond the bound */
	buf_room(b,
	    EVENT_LEAST_BYTES + m->channel.n + (with_replay ? 0 : m->data.n));
	ADD(b, "{\"channel\":");
	add_channel(b, m->channel, for_script);
	ADD(b, ",\"data\":");
	if (with_replay)
		add_data_with_replay(b, m, for_script);
	else
		add_data(b, m, for_script);
	if (m->event.p != NULL || m->id.p != NULL) {
		ADD(b, ",\"ext\":");
		add_string(&ext, "event", m->event);
		add_string(&ext, "id", m->id);
		buf_add_char(b, '}');
	}
	buf_add_char(b, '}');
}

void
bayeux_add_result(struct buf *b, const struct bayeux_message *m,
    const struct message *result, bool for_script)
{
	struct object o = {.b = b, .for_script = for_script};

	add_string(&o, "channel", m->channel);
	if (m->id.p != NULL) {
		add_name(&o, "id");
		json_add_text(b, m->id, for_script);
	}
	add_name(&o, "data");
	add_data(b, result, for_script);
	buf_add_char(b, '}');
}

/* ---- answers ---- */

void
bayeux_answer_begin(
    struct buf *b, struct bayeux_answer *a, struct slice callback)
{
	*a = (struct bayeux_answer){.callback = callback, .is_first = true};
	if (callback.p != NULL) {
		/* the comment: no other file format can begin like this */
		ADD(b, "/**/");
		buf_add_slice(b, callback);
		buf_add_char(b, '(');
	}
	buf_add_char(b, '[');
}

void
bayeux_answer_next(struct buf *b, struct bayeux_answer *a)
{
	if (!a->is_first)
		buf_add_char(b, ',');
	a->is_first = false;
}

void
bayeux_answer_end(struct buf *b, const struct bayeux_answer *a)
{
	buf_add_char(b, ']');
	if (a->callback.p != NULL)
		ADD(b, ");");
}

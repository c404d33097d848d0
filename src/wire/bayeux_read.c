#include "wire/bayeux_parts.h"

#include "base/channel.h"
#include "wire/json.h"

static enum bayeux_kind
kind_of(struct slice channel)
{
	static const struct {
		const char *channel;
		enum bayeux_kind kind;
	} kinds[] = {
	    {"/meta/handshake", BAYEUX_HANDSHAKE},
	    {"/meta/connect", BAYEUX_CONNECT},
	    {"/meta/subscribe", BAYEUX_SUBSCRIBE},
	    {"/meta/unsubscribe", BAYEUX_UNSUBSCRIBE},
	    {"/meta/disconnect", BAYEUX_DISCONNECT},
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (slice_is(channel, slice_of(kinds[i].channel)))
			return kinds[i].kind;
	if (slice_starts(channel, SLICE("/meta/")))
		return BAYEUX_UNKNOWN_META;
	if (slice_starts(channel, SLICE("/service/")))
		return BAYEUX_SERVICE;
	return BAYEUX_PUBLISH;
}

static void
read_channel(struct bayeux_parts *p)
{
	struct bayeux_message *m = p->m;
	struct slice channel = p->member[PART_CHANNEL];

	if (!part_is_string(channel)) {
		FAIL(m, 400, NO_ARGS, "A message needs a channel");
		return;
	}
	channel = part_text(channel);
	m->kind = kind_of(channel);
	if (channel.n > CHANNEL_MAX_BYTES + 1)
		FAIL(m, 405, NO_ARGS,
		    "The channel has %zu bytes of %d that are allowed",
		    channel.n, CHANNEL_MAX_BYTES);
	else
		m->channel = channel;
}

static void
read_id(struct bayeux_parts *p)
{
	struct slice id = p->member[PART_ID];
	bool is_number;

	if (!part_is_given(id))
		return;
	is_number = id.p[0] == '-' || (id.p[0] >= '0' && id.p[0] <= '9');
	if (!is_number && id.p[0] != '"')
		FAIL(p->m, 400, NO_ARGS, "The id must be a string");
	else if (id.n > BAYEUX_ID_MAX_BYTES)
		FAIL(p->m, 400, NO_ARGS,
		    "The id has %zu bytes of %d that are allowed", id.n,
		    BAYEUX_ID_MAX_BYTES);
	else
		p->m->id = id;
}

/* Of these the client has to be known. */
static bool
is_in_session(enum bayeux_kind kind)
{
	return kind == BAYEUX_CONNECT || kind == BAYEUX_SUBSCRIBE ||
	    kind == BAYEUX_UNSUBSCRIBE || kind == BAYEUX_DISCONNECT;
}

static void
read_client_id(struct bayeux_parts *p)
{
	struct slice client_id = p->member[PART_CLIENT_ID];

	if (part_is_string(client_id))
		p->m->client_id = part_text(client_id);
	else if (is_in_session(p->m->kind) ||
	    (part_is_given(client_id) && p->m->kind != BAYEUX_HANDSHAKE))
		FAIL(p->m, 402, NO_ARGS, "Unknown client");
}

/* NaN, of which JSON makes null, is what timesync sends before it knows. */
static void
read_timesync(struct bayeux_parts *p)
{
	struct bayeux_timesync *t = &p->m->timesync;
	struct slice value[3];

	parts_gather(
	    p->ext[EXT_TIMESYNC], PART_NAMES("tc", "l", "o"), value, 3);
	p->m->has_timesync = part_integer(value[0], &t->tc) &&
	    (!part_is_given(value[1]) || part_integer(value[1], &t->l)) &&
	    (!part_is_given(value[2]) || part_integer(value[2], &t->o));
}

/* ---- each kind ---- */

/* "1.0", "1.1-x", "1": does it begin with this digit? */
static bool
is_version(struct slice version, char major)
{
	return version.n > 0 && version.p[0] == major &&
	    (version.n == 1 || version.p[1] == '.');
}

static void
check_version(struct bayeux_parts *p)
{
	struct slice version = p->member[PART_VERSION];
	struct slice least = p->member[PART_MINIMUM_VERSION];

	if (!part_is_string(version)) {
		FAIL(p->m, 400, NO_ARGS, "A handshake needs a version");
		return;
	}
	version = part_text(version);
	if (!is_version(version, '1'))
		FAIL(p->m, 300, version, "Version not supported");
	if (!part_is_given(least))
		return;
	if (!part_is_string(least)) {
		FAIL(p->m, 400, NO_ARGS, "minimumVersion must be a string");
		return;
	}
	least = part_text(least);
	/* CometD 2 sends 0.9 */
	if (!is_version(least, '1') && !is_version(least, '0'))
		FAIL(p->m, 300, least, "Version not supported");
}

static void
read_handshake(struct bayeux_parts *p)
{
	struct slice types = p->member[PART_CONNECTION_TYPES], type, enabled;
	struct json_members rest;

	check_version(p);
	parts_gather(p->ext[EXT_ACK], PART_NAMES("enabled"), &enabled, 1);
	p->m->wants_ack =
	    part_is_true(p->ext[EXT_ACK]) || part_is_true(enabled);
	p->m->wants_replay = part_is_true(p->ext[EXT_REPLAY]);
	if (types.p == NULL || types.p[0] != '[') {
		FAIL(p->m, 400, NO_ARGS,
		    "A handshake needs supportedConnectionTypes");
		return;
	}
	rest = json_elements_of(types);
	while (json_next_element(&rest, &type))
		if (part_is_string(type))
			p->m->connection_types |=
			    bayeux_connection_type(part_text(type));
	if (p->m->connection_types == 0)
		FAIL(p->m, 301, NO_ARGS, "Connection types not supported");
}

static void
read_connect(struct bayeux_parts *p)
{
	struct bayeux_message *m = p->m;
	struct slice type = p->member[PART_CONNECTION_TYPE], timeout;
	int64_t v;

	parts_gather(
	    p->member[PART_ADVICE], PART_NAMES("timeout"), &timeout, 1);
	if (part_integer(timeout, &v) && v >= 0 && v <= UINT32_MAX) {
		m->has_timeout = true;
		m->timeout_ms = (uint32_t)v;
	}
	if (part_integer(p->ext[EXT_ACK], &v) && v >= 0) {
		m->has_ack = true;
		m->ack = (uint64_t)v;
	}
	if (!part_is_string(type)) {
		FAIL(m, 400, NO_ARGS, "A connect needs a connectionType");
		return;
	}
	type = part_text(type);
	m->connection_types = bayeux_connection_type(type);
	if (m->connection_types == 0)
		FAIL(m, 301, type, "Connection type not supported");
}

/* A string that is given in ext. */
static struct slice
read_label(struct bayeux_parts *p, struct slice value, const char *name)
{
	if (part_is_string(value))
		return part_text(value);
	if (part_is_given(value))
		FAIL(p->m, 400, NO_ARGS, "ext.%s must be a string", name);
	return NO_ARGS;
}

static void
read_data(struct bayeux_parts *p)
{
	struct bayeux_message *m = p->m;
	struct slice data = p->member[PART_DATA];

	if (data.p == NULL) {
		FAIL(m, 400, m->channel, "The message has no data");
		return;
	}
	m->publish.is_json = data.p[0] != '"';
	m->publish.data = m->publish.is_json ? data : part_text(data);
}

/* What is published, or given to a service: the channel is checked alike. */
static void
read_publish(struct bayeux_parts *p)
{
	struct bayeux_message *m = p->m;
	struct err err;
	enum rc rc;

	if (m->channel.n == 0 || m->channel.p[0] != '/') {
		FAIL(m, 405, m->channel, "A channel begins with /");
		return;
	}
	m->publish.channel = slice_after(m->channel, 1);
	if (channel_check(m->publish.channel, &err) != RC_OK)
		FAIL(m, 405, m->channel, "%s", err.text);
	read_data(p);
	m->publish.event = read_label(p, p->ext[EXT_EVENT], "event");
	m->publish.id = read_label(p, p->ext[EXT_LABEL], "id");
	if (m->error.code != 0)
		return;
	rc = envelope_check(&m->publish, &p->limits->envelope, &err);
	if (rc != RC_OK)
		bayeux_fail_rc(&m->error, rc, m->channel, err.text);
}

static void
read_kind(struct bayeux_parts *p)
{
	switch (p->m->kind) {
	case BAYEUX_HANDSHAKE:
		read_handshake(p);
		break;
	case BAYEUX_CONNECT:
		read_connect(p);
		break;
	case BAYEUX_SUBSCRIBE:
		bayeux_read_subscriptions(p);
		bayeux_read_beginnings(p);
		break;
	case BAYEUX_UNSUBSCRIBE:
		bayeux_read_subscriptions(p);
		break;
	case BAYEUX_DISCONNECT:
		break;
	case BAYEUX_UNKNOWN_META:
		FAIL(p->m, 404, p->m->channel, "Unknown meta channel");
		break;
	case BAYEUX_SERVICE:
	case BAYEUX_PUBLISH:
		read_publish(p);
		break;
	}
}

void
bayeux_read_message(const struct bayeux_limits *limits, struct slice text,
    struct bayeux_message *m)
{
	struct bayeux_parts p = {.limits = limits, .m = m};

	*m = (struct bayeux_message){.kind = BAYEUX_PUBLISH};
	if (text.p[0] != '{') {
		FAIL(m, 400, NO_ARGS, "A message must be an object");
		return;
	}
	parts_of(&p, text);
	read_id(&p);
	read_channel(&p);
	read_client_id(&p);
	read_timesync(&p);
	read_kind(&p);
}

#include "wire/bayeux_parts.h"

#include "base/channel.h"
#include "wire/json.h"

static void
check_pattern(struct bayeux_message *m, struct bayeux_subscription *s)
{
	struct err err;

	if (s->written.n == 0 || s->written.p[0] != '/') {
		FAIL(m, 405, s->written, "A channel begins with /");
		return;
	}
	s->pattern = slice_after(s->written, 1);
	if (pattern_check(s->pattern, &err) != RC_OK)
		FAIL(m, 405, s->written, "%s", err.text);
	else if (slice_starts(s->pattern, SLICE("meta/")))
		FAIL(m, 403, s->written, "Subscribing denied");
}

static void
add_subscription(struct bayeux_parts *p, struct slice value)
{
	struct bayeux_message *m = p->m;
	struct bayeux_subscription *s;

	if (!part_is_string(value)) {
		FAIL(m, 400, NO_ARGS, "A subscription must be a string");
		return;
	}
	if (m->subscriptions == p->limits->subscriptions) {
		FAIL(m, 400, NO_ARGS, "More than %zu subscriptions at once",
		    p->limits->subscriptions);
		return;
	}
	s = &p->limits->subscription[m->subscriptions++];
	*s = (struct bayeux_subscription){.written = part_text(value)};
	check_pattern(m, s);
}

void
bayeux_read_subscriptions(struct bayeux_parts *p)
{
	struct slice value = p->member[PART_SUBSCRIPTION], element;
	struct json_members rest;

	p->m->subscription = p->limits->subscription;
	if (value.p == NULL || value.p[0] != '[') {
		add_subscription(p, value);
		return;
	}
	p->m->is_list = true;
	rest = json_elements_of(value);
	while (json_next_element(&rest, &element))
		add_subscription(p, element);
	if (p->m->subscriptions == 0)
		FAIL(p->m, 400, NO_ARGS, "There is no subscription");
}

/* -1, -2 or a position, as a number or a string. */
static void
begin_at(struct bayeux_message *m, struct bayeux_subscription *s,
    struct slice position, bool is_quoted)
{
	s->replay = position;
	if (slice_is(position, SLICE("-1")))
		s->from = BAYEUX_NOW;
	else if (slice_is(position, SLICE("-2")))
		s->from = BAYEUX_ALL;
	else if (cursor_parse(position, &s->since, NULL) == RC_OK &&
	    (is_quoted || !s->since.has_epoch))
		s->from = BAYEUX_REPLAY;
	else if (m->error.code == 0)
		bayeux_fail_replay(&m->error, position);
}

/* All subscriptions that were written so, or all; null means nothing. */
static void
read_position(
    struct bayeux_message *m, const struct slice *written, struct slice value)
{
	bool is_quoted = part_is_string(value);

	if (!part_is_given(value))
		return;
	if (is_quoted)
		value = part_text(value);
	for (size_t i = 0; i < m->subscriptions; i++)
		if (written == NULL ||
		    slice_is(*written, m->subscription[i].written))
			begin_at(m, &m->subscription[i], value, is_quoted);
}

/* The map has all channels of the client.  It is gone through once, so that
   they may be many. */
static void
read_map(struct bayeux_message *m, struct slice map)
{
	struct json_members rest = json_members_of(map);
	struct slice name, value;

	while (json_next_member(&rest, &name, &value)) {
		name = part_text(name);
		read_position(m, &name, value);
	}
}

static void
read_cursor(struct bayeux_parts *p)
{
	struct bayeux_message *m = p->m;
	struct slice cursor = p->ext[EXT_CURSOR];
	struct cursor since;
	struct err err;

	if (!part_is_given(cursor))
		return;
	if (part_is_string(cursor))
		cursor = part_text(cursor);
	if (cursor_parse(cursor, &since, &err) != RC_OK) {
		FAIL(m, 400, NO_ARGS, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < m->subscriptions; i++) {
		m->subscription[i].from = BAYEUX_CURSOR;
		m->subscription[i].since = since;
	}
}

/* Where the subscriptions begin that ext.replay names, or all of them if it is
   just a position: it wins over ext.cursor. */
static void
read_replays(struct bayeux_parts *p)
{
	struct bayeux_message *m = p->m;
	struct slice replay = p->ext[EXT_REPLAY];

	if (!part_is_given(replay) || replay.p[0] == 'f')
		return;
	m->wants_replay = true;
	if (part_is_true(replay))
		return;
	if (replay.p[0] == '{')
		read_map(m, replay);
	else
		read_position(m, NULL, replay);
}

void
bayeux_read_beginnings(struct bayeux_parts *p)
{
	read_cursor(p);
	read_replays(p);
}

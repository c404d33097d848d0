#include "wire/bayeux_parts.h"

#include "wire/json.h"

#define MAX_SAFE_INTEGER ((INT64_C(1) << 53) - 1)

static const char *const member_name[PARTS] = {
    [PART_CHANNEL] = "channel",
    [PART_ID] = "id",
    [PART_CLIENT_ID] = "clientId",
    [PART_DATA] = "data",
    [PART_CONNECTION_TYPE] = "connectionType",
    [PART_CONNECTION_TYPES] = "supportedConnectionTypes",
    [PART_VERSION] = "version",
    [PART_MINIMUM_VERSION] = "minimumVersion",
    [PART_ADVICE] = "advice",
    [PART_SUBSCRIPTION] = "subscription",
    [PART_EXT] = "ext",
};

static const char *const ext_name[EXTS] = {
    [EXT_ACK] = "ack",
    [EXT_TIMESYNC] = "timesync",
    [EXT_REPLAY] = "replay",
    [EXT_CURSOR] = "cursor",
    [EXT_EVENT] = "event",
    [EXT_LABEL] = "id",
};

/* What the slices of a message point into is the caller's to change. */
struct slice
part_text(struct slice string)
{
	return json_unescape((char *)string.p, string.n);
}

void
parts_gather(
    struct slice object, const char *const *name, struct slice *value, size_t n)
{
	struct json_members rest;
	struct slice found, text;

	for (size_t i = 0; i < n; i++)
		value[i] = (struct slice){NULL, 0};
	if (object.p == NULL || object.p[0] != '{')
		return;
	rest = json_members_of(object);
	while (json_next_member(&rest, &found, &text)) {
		found = part_text(found);
		for (size_t i = 0; i < n; i++)
			if (slice_is(found, slice_of(name[i])))
				value[i] = text;
	}
}

void
parts_of(struct bayeux_parts *p, struct slice object)
{
	parts_gather(object, member_name, p->member, PARTS);
	parts_gather(p->member[PART_EXT], ext_name, p->ext, EXTS);
}

bool
part_integer(struct slice value, int64_t *v)
{
	bool is_negative = value.n > 0 && value.p[0] == '-';
	size_t i = is_negative ? 1 : 0;
	int64_t got = 0;

	if (i == value.n)
		return false;
	for (; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return false;
		got = got * 10 + (value.p[i] - '0');
		if (got > MAX_SAFE_INTEGER)
			return false;
	}
	*v = is_negative ? -got : got;
	return true;
}

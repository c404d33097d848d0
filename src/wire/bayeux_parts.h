/*
 * A client's message as the JSON texts of its members, while wire/bayeux reads
 * it: for the files of that module only.
 */
#ifndef COMETLOG_WIRE_BAYEUX_PARTS_H
#define COMETLOG_WIRE_BAYEUX_PARTS_H

#include "wire/bayeux.h"

/* The members of a message, and of its ext. */
enum {
	PART_CHANNEL,
	PART_ID,
	PART_CLIENT_ID,
	PART_DATA,
	PART_CONNECTION_TYPE,
	PART_CONNECTION_TYPES,
	PART_VERSION,
	PART_MINIMUM_VERSION,
	PART_ADVICE,
	PART_SUBSCRIPTION,
	PART_EXT,
	PARTS
};

enum {
	EXT_ACK,
	EXT_TIMESYNC,
	EXT_REPLAY,
	EXT_CURSOR,
	EXT_EVENT,
	EXT_LABEL,
	EXTS
};

/* JSON texts, to be changed at will; p == NULL: not there. */
struct bayeux_parts {
	const struct bayeux_limits *limits;
	struct bayeux_message *m; /* what becomes of them */
	struct slice member[PARTS];
	struct slice ext[EXTS];
};

/* Takes a message apart.  It must be an object. */
void parts_of(struct bayeux_parts *p, struct slice object);

/* Sets value[i] to the member name[i]: of one that is there twice the last,
   p == NULL if there is none or this is no object.  Once for each object:
   names are unescaped in place. */
void parts_gather(struct slice object, const char *const *name,
    struct slice *value, size_t n);
#define PART_NAMES(...) ((const char *const[]){__VA_ARGS__})

/* Absent and null are alike. */
static inline bool
part_is_given(struct slice value)
{
	return value.p != NULL && value.p[0] != 'n';
}

static inline bool
part_is_string(struct slice value)
{
	return value.p != NULL && value.p[0] == '"';
}

static inline bool
part_is_true(struct slice value)
{
	return value.p != NULL && value.p[0] == 't';
}

/* The text of a JSON string, in place: once for each. */
struct slice part_text(struct slice string);

/* An integer that JavaScript counts exactly; false, and *v as it was, for all
   else. */
bool part_integer(struct slice value, int64_t *v);

#define NO_ARGS ((struct slice){NULL, 0})

/* bayeux_fail, but the first thing that is wrong is told. */
#define FAIL(m, ...) \
	((m)->error.code == 0 ? bayeux_fail(&(m)->error, __VA_ARGS__) : (void)0)

/* One message, whatever JSON text it is. */
void bayeux_read_message(const struct bayeux_limits *limits, struct slice text,
    struct bayeux_message *m);

/* Its subscriptions, and where they begin. */
void bayeux_read_subscriptions(struct bayeux_parts *p);
void bayeux_read_beginnings(struct bayeux_parts *p);

#endif

/*
 * What a publisher sends (API.md, Publish): the body in each of its content
 * types becomes messages.  Pure.
 */
#ifndef COMETLOG_WIRE_ENVELOPE_H
#define COMETLOG_WIRE_ENVELOPE_H

#include "base/err.h"
#include "base/message.h"
#include "wire/query.h"

#include <stdint.h>

struct envelope_limits {
	size_t message_bytes; /* of one message's data */
	size_t messages;      /* in one request */
};

/* What came in, beside the body. */
struct envelope_source {
	struct slice content_type;  /* p == NULL: none */
	struct slice path_channel;  /* decoded; p == NULL:
	                               none in the path */
	const struct params *query; /* channel, event, id may stand there */
};

struct envelope {
	struct message *message; /* n; freed by envelope_fini */
	size_t n;
	size_t bytes;          /* of all data, names,
	                          events, ids together */
	bool is_array;         /* so is the answer (array, NDJSON) */
	struct slice redirect; /* p == NULL: none; unchecked */
};

/*
 * Decodes body (n bytes, changed in place; it and what from points to are
 * borrowed by the messages until envelope_fini).  Precedence: path channel,
 * then field, then query; event and id: field, then query.  A JSON string as
 * data is stored as that string (is_json false), every other JSON value as
 * compact JSON text.  Everything is checked: channels (trimmed of one leading
 * '/', no '*'; RC_DENIED for a name that begins with '$'), UTF-8, control
 * characters in event and id (at most 255 bytes each), sizes.  Unknown members
 * of an object are ignored; of one that is given twice the last counts.  An
 * event or id that is empty (or null in JSON) counts as not given.  A byte
 * order mark before JSON and blank lines in NDJSON are skipped.
 * RC_BAD, RC_DENIED, RC_TOO_LARGE, RC_MEDIA, RC_NOMEM, with a text that says
 * which message (index from 0, or NDJSON line from 1) and what to change; *env
 * is then empty.  An empty array or NDJSON body is RC_BAD.
 */
enum rc envelope_parse(const struct envelope_source *from, char *body, size_t n,
    const struct envelope_limits *limits, struct envelope *env,
    struct err *e) MUST_CHECK;
void envelope_fini(struct envelope *env);

/* One message object's members while they are read: JSON texts (of a compact
   text that may be changed); p == NULL: not there.  Zeroed at first. */
struct envelope_members {
	struct slice channel, data, event, id;
};

/* Keeps value if name (unescaped) is one of them. */
void envelope_note(
    struct envelope_members *members, struct slice name, struct slice value);

/* The message of them, checked as envelope_parse does; borrows their text. */
enum rc envelope_read_members(const struct envelope_members *members,
    const struct envelope_limits *limits, struct message *m,
    struct err *e) MUST_CHECK;

/* The last half of it, for a message that came in another way: trims m's
   channel and checks all but the data's UTF-8. */
enum rc envelope_check(struct message *m, const struct envelope_limits *limits,
    struct err *e) MUST_CHECK;

#endif

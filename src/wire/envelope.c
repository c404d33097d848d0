#include "wire/envelope.h"

#include "base/channel.h"
#include "base/utf8.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/multipart.h"

#include <stdlib.h>
#include <strings.h>

#define LABEL_MAX_BYTES 255 /* of an event or id */
#define FIRST_MESSAGES 16   /* room at first in a batch */

struct reading {
	const struct envelope_source *from;
	const struct envelope_limits *limits;
	struct envelope *env;
	size_t cap;           /* messages that there is room for */
	struct message given; /* channel, event and id of the query */
	struct err err;
};

/* Room for one more message at env->message[env->n]. */
static enum rc
make_room(struct reading *r)
{
	size_t cap = r->cap == 0 ? 1
	    : r->cap == 1        ? FIRST_MESSAGES
	                         : r->cap * 2;
	struct message *message;

	if (r->env->n == r->limits->messages)
		return err_set(&r->err, RC_TOO_LARGE,
		    "more than %zu messages in one request",
		    r->limits->messages);
	if (r->env->n < r->cap)
		return RC_OK;
	message = realloc(r->env->message, cap * sizeof *message);
	if (message == NULL)
		return err_set(
		    &r->err, RC_NOMEM, "no memory for %zu messages", cap);
	r->env->message = message;
	r->cap = cap;
	return RC_OK;
}

static enum rc
choose_channel(struct reading *r, struct message *m)
{
	enum rc rc;

	if (r->from->path_channel.p != NULL)
		m->channel = r->from->path_channel;
	else if (m->channel.p == NULL)
		m->channel = r->given.channel;
	if (m->channel.p == NULL)
		return err_set(&r->err, RC_BAD,
		    "no channel: name it in the path, as \"channel\" in the"
		    " body or as ?channel=");
	m->channel = channel_trim(m->channel);
	rc = channel_check(m->channel, &r->err);
	if (rc == RC_OK && m->channel.p[0] == '$')
		return err_set(&r->err, RC_DENIED,
		    "channels that begin with '$' are the program's own");
	return rc;
}

/* Takes the query's value for an event or id that the body has not, and checks
   it.  An empty one counts as none, for so do browsers send an empty input. */
static enum rc
choose_label(struct reading *r, struct slice *label, struct slice given,
    const char *name)
{
	size_t at;

	if (label->n == 0)
		*label = given;
	if (label->n == 0) {
		*label = (struct slice){NULL, 0};
		return RC_OK;
	}
	if (label->n > LABEL_MAX_BYTES)
		return err_set(&r->err, RC_BAD,
		    "the %s has %zu bytes: at most %d are allowed", name,
		    label->n, LABEL_MAX_BYTES);
	at = utf8_before_control(*label);
	if (at < label->n)
		return err_set(&r->err, RC_BAD,
		    "the %s has a control character or invalid UTF-8 at byte"
		    " %zu",
		    name, at);
	return RC_OK;
}

/* Completes m, in which a field that the body has not is p == NULL. */
static enum rc
check_message(struct reading *r, struct message *m)
{
	enum rc rc = choose_channel(r, m);

	if (rc == RC_OK)
		rc = choose_label(r, &m->event, r->given.event, "event");
	if (rc == RC_OK)
		rc = choose_label(r, &m->id, r->given.id, "id");
	if (rc == RC_OK && m->data.n > r->limits->message_bytes)
		rc = err_set(&r->err, RC_TOO_LARGE,
		    "the data has %zu bytes: at most %zu are allowed",
		    m->data.n, r->limits->message_bytes);
	return rc;
}

/* The same, and appends it. */
static enum rc
add_message(struct reading *r, struct message *m)
{
	enum rc rc = check_message(r, m);

	if (rc == RC_OK)
		rc = make_room(r);
	if (rc != RC_OK)
		return rc;
	r->env->message[r->env->n++] = *m;
	r->env->bytes += m->channel.n + m->event.n + m->id.n + m->data.n;
	return RC_OK;
}

/* Appends a message whose data is not known to be UTF-8. */
static enum rc
add_raw_message(struct reading *r, struct message *m)
{
	size_t at = utf8_valid(m->data);

	if (at < m->data.n)
		return err_set(&r->err, RC_BAD,
		    "the data is not valid UTF-8 at byte %zu", at);
	if (m->data.p == NULL)
		m->data = SLICE("");
	return add_message(r, m);
}

static bool
is_word(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static enum rc
read_text(struct reading *r, char *body, size_t n)
{
	struct slice charset =
	    multipart_param(r->from->content_type, "charset");
	struct message m = {.data = {body, n}};

	if (charset.p != NULL && !is_word(charset, "utf-8") &&
	    !is_word(charset, "utf8") && !is_word(charset, "us-ascii"))
		return err_set(&r->err, RC_MEDIA,
		    "the charset of the Content-Type must be utf-8");
	return add_raw_message(r, &m);
}

static enum rc
read_fields(struct reading *r, const struct params *fields)
{
	struct message m = {
	    .channel = params_get(fields, "channel"),
	    .event = params_get(fields, "event"),
	    .id = params_get(fields, "id"),
	    .data = params_get(fields, "data"),
	};

	r->env->redirect = params_get(fields, "redirect");
	if (r->env->redirect.n == 0)
		r->env->redirect.p = NULL;
	return add_raw_message(r, &m);
}

static enum rc
read_form(struct reading *r, char *body, size_t n)
{
	struct params fields;
	enum rc rc = query_parse(body, n, &fields, &r->err);

	return rc == RC_OK ? read_fields(r, &fields) : rc;
}

static enum rc
read_multipart(struct reading *r, char *body, size_t n)
{
	struct params fields;
	char boundary[71];
	enum rc rc =
	    multipart_boundary(r->from->content_type, boundary, &r->err);

	if (rc == RC_OK)
		rc = multipart_parse(body, n, boundary, &fields, &r->err);
	return rc == RC_OK ? read_fields(r, &fields) : rc;
}

/* All JSON that is read here lies in the body, which is ours to change. */
static struct slice
unescape(struct slice string)
{
	return json_unescape((char *)string.p, string.n);
}

static void
set_json_data(struct message *m, struct slice value)
{
	m->is_json = value.p[0] != '"';
	m->data = m->is_json ? value : unescape(value);
}

/* A member that may be absent (p == NULL), null or a string. */
static enum rc
read_label(struct reading *r, struct slice value, const char *name,
    struct slice *label)
{
	*label = (struct slice){NULL, 0};
	if (value.p == NULL || value.p[0] == 'n')
		return RC_OK;
	if (value.p[0] != '"')
		return err_set(
		    &r->err, RC_BAD, "\"%s\" must be a string", name);
	*label = unescape(value);
	return RC_OK;
}

void
envelope_note(
    struct envelope_members *members, struct slice name, struct slice value)
{
	if (slice_is(name, SLICE("channel")))
		members->channel = value;
	else if (slice_is(name, SLICE("data")))
		members->data = value;
	else if (slice_is(name, SLICE("event")))
		members->event = value;
	else if (slice_is(name, SLICE("id")))
		members->id = value;
}

static enum rc
read_members(struct reading *r, const struct envelope_members *members,
    struct message *m)
{
	enum rc rc;

	*m = (struct message){0};
	if (members->data.p == NULL)
		return err_set(&r->err, RC_BAD,
		    "the message has no \"data\": give it, if only as \"\"");
	set_json_data(m, members->data);
	rc = read_label(r, members->channel, "channel", &m->channel);
	if (rc == RC_OK)
		rc = read_label(r, members->event, "event", &m->event);
	if (rc == RC_OK)
		rc = read_label(r, members->id, "id", &m->id);
	return rc;
}

enum rc
envelope_read_members(const struct envelope_members *members,
    const struct envelope_limits *limits, struct message *m, struct err *e)
{
	struct reading r = {.limits = limits};
	enum rc rc = read_members(&r, members, m);

	if (rc == RC_OK)
		return envelope_check(m, limits, e);
	return err_set(e, rc, "%s", r.err.text);
}

enum rc
envelope_check(
    struct message *m, const struct envelope_limits *limits, struct err *e)
{
	struct envelope_source none = {.query = NULL};
	struct reading r = {.from = &none, .limits = limits};
	enum rc rc = check_message(&r, m);

	return rc == RC_OK ? rc : err_set(e, rc, "%s", r.err.text);
}

static enum rc
read_object(struct reading *r, struct slice object)
{
	struct json_members rest = json_members_of(object);
	struct envelope_members members = {.data = {NULL, 0}};
	struct slice name, value;
	struct message m;
	enum rc rc;

	if (object.p[0] != '{')
		return err_set(&r->err, RC_BAD,
		    "a message must be an object with \"channel\" and"
		    " \"data\"");
	while (json_next_member(&rest, &name, &value))
		envelope_note(&members, unescape(name), value);
	rc = read_members(r, &members, &m);
	return rc == RC_OK ? add_message(r, &m) : rc;
}

/* Says before the text of a failure where in a batch it was. */
static enum rc
located(struct reading *r, enum rc rc, const char *what, size_t number)
{
	struct err cause = r->err;

	return err_set(&r->err, rc, "%s %zu: %s", what, number, cause.text);
}

static enum rc
read_array(struct reading *r, struct slice array)
{
	struct json_members elements = json_elements_of(array);
	struct slice value;
	enum rc rc;

	r->env->is_array = true;
	while (json_next_element(&elements, &value)) {
		rc = read_object(r, value);
		if (rc != RC_OK)
			return located(r, rc, "message", r->env->n);
	}
	if (r->env->n == 0)
		return err_set(&r->err, RC_BAD,
		    "the array is empty: give at least one message");
	return RC_OK;
}

static enum rc
read_json(struct reading *r, char *body, size_t n)
{
	struct message m = {0};
	struct slice text;
	enum rc rc = json_compact(body, &n, &r->err);

	if (rc != RC_OK)
		return rc;
	text = (struct slice){body, n};
	if (r->from->path_channel.p != NULL) {
		set_json_data(&m, text);
		return add_message(r, &m);
	}
	if (text.p[0] == '[')
		return read_array(r, text);
	if (text.p[0] == '{')
		return read_object(r, text);
	return err_set(&r->err, RC_BAD,
	    "without a channel in the path the body must be an object with"
	    " \"channel\" and \"data\" or an array of such objects");
}

static bool
is_blank(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			return false;
	return true;
}

static enum rc
read_line(struct reading *r, char *line, size_t n)
{
	enum rc rc;

	if (is_blank((struct slice){line, n}))
		return RC_OK;
	rc = json_compact(line, &n, &r->err);
	return rc == RC_OK ? read_object(r, (struct slice){line, n}) : rc;
}

static enum rc
read_lines(struct reading *r, char *body, size_t n)
{
	char *feed;
	size_t line_bytes;
	enum rc rc;

	r->env->is_array = true;
	for (size_t number = 1; n > 0; number++) {
		feed = memchr(body, '\n', n);
		line_bytes = feed == NULL ? n : (size_t)(feed - body);
		rc = read_line(r, body, line_bytes);
		if (rc != RC_OK)
			return located(r, rc, "line", number);
		if (feed == NULL)
			break;
		body += line_bytes + 1;
		n -= line_bytes + 1;
	}
	if (r->env->n == 0)
		return err_set(&r->err, RC_BAD,
		    "the body is empty: give at least one line with a message");
	return RC_OK;
}

static enum rc
read_body(struct reading *r, char *body, size_t n)
{
	const struct slice mark = SLICE("\xef\xbb\xbf");
	struct slice type = r->from->content_type;

	if (type.n == 0 || http_is_type(type, "text/plain"))
		return read_text(r, body, n);
	if (http_is_type(type, "application/x-www-form-urlencoded"))
		return read_form(r, body, n);
	if (http_is_type(type, "multipart/form-data"))
		return read_multipart(r, body, n);
	if (n > 0 && slice_starts((struct slice){body, n}, mark)) {
		body += mark.n;
		n -= mark.n;
	}
	if (http_is_type(type, "application/json"))
		return read_json(r, body, n);
	if (http_is_type(type, "application/x-ndjson"))
		return read_lines(r, body, n);
	return err_set(&r->err, RC_MEDIA,
	    "the Content-Type must be application/json, application/x-ndjson,"
	    " text/plain, application/x-www-form-urlencoded or"
	    " multipart/form-data");
}

enum rc
envelope_parse(const struct envelope_source *from, char *body, size_t n,
    const struct envelope_limits *limits, struct envelope *env, struct err *e)
{
	struct reading r = {.from = from, .limits = limits, .env = env};
	enum rc rc;

	*env = (struct envelope){0};
	if (from->query != NULL) {
		r.given.channel = params_get(from->query, "channel");
		r.given.event = params_get(from->query, "event");
		r.given.id = params_get(from->query, "id");
	}
	rc = read_body(&r, body, n);
	if (rc != RC_OK) {
		envelope_fini(env);
		return err_set(e, rc, "%s", r.err.text);
	}
	return RC_OK;
}

void
envelope_fini(struct envelope *env)
{
	free(env->message);
	*env = (struct envelope){0};
}

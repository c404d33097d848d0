#include "wire/bayeux.h"

#include "wire/bayeux_parts.h"
#include "wire/json.h"

/* Squeezes a text and adds the number of its messages to *count. */
static enum rc
check_text(char *text, size_t *n, size_t *count, struct err *e)
{
	struct json_members rest;
	struct slice element;
	enum rc rc = json_compact(text, n, e);

	if (rc != RC_OK)
		return rc;
	if (text[0] == '{') {
		++*count;
		return RC_OK;
	}
	if (text[0] != '[')
		return err_set(e, RC_BAD,
		    "what is sent must be a message or an array of messages");
	rest = json_elements_of((struct slice){text, *n});
	while (json_next_element(&rest, &element))
		++*count;
	return RC_OK;
}

static enum rc
check_count(size_t count, const struct bayeux_limits *limits, struct err *e)
{
	if (count <= limits->envelope.messages)
		return RC_OK;
	return err_set(e, RC_TOO_LARGE, "more than %zu messages in one request",
	    limits->envelope.messages);
}

/* A message alone is read as the inside of an array of one. */
static void
begin_text(struct bayeux_reading *r, struct slice text)
{
	if (text.p[0] == '[')
		r->rest = json_elements_of(text);
	else
		r->rest = (struct json_members){text};
}

enum rc
bayeux_read(struct bayeux_reading *r, char *text, size_t n,
    const struct bayeux_limits *limits, size_t *count, struct err *e)
{
	enum rc rc;

	*r = (struct bayeux_reading){.limits = limits};
	*count = 0;
	rc = check_text(text, &n, count, e);
	if (rc == RC_OK)
		rc = check_count(*count, limits, e);
	if (rc == RC_OK)
		begin_text(r, (struct slice){text, n});
	return rc;
}

static bool
is_message_field(const struct param *field)
{
	return slice_is(field->name, SLICE("message"));
}

enum rc
bayeux_read_fields(struct bayeux_reading *r, struct params *fields,
    const struct bayeux_limits *limits, size_t *count, struct err *e)
{
	bool is_found = false;
	struct param *field;
	enum rc rc;

	*r = (struct bayeux_reading){.limits = limits, .fields = fields};
	*count = 0;
	for (size_t i = 0; i < fields->n; i++) {
		field = &fields->item[i];
		if (!is_message_field(field))
			continue;
		is_found = true;
		rc = check_text(
		    (char *)field->value.p, &field->value.n, count, e);
		if (rc != RC_OK)
			return rc;
	}
	if (!is_found)
		return err_set(e, RC_BAD,
		    "there is no \"message\": give it as a field, or a JSON"
		    " body as application/json");
	return check_count(*count, limits, e);
}

/* Goes on with the next field; false if there is none. */
static bool
next_field(struct bayeux_reading *r)
{
	const struct param *field;

	while (r->fields != NULL && r->field < r->fields->n) {
		field = &r->fields->item[r->field++];
		if (is_message_field(field)) {
			begin_text(r, field->value);
			return true;
		}
	}
	return false;
}

bool
bayeux_next(struct bayeux_reading *r, struct bayeux_message *m)
{
	struct slice value;

	while (r->rest.rest.n == 0)
		if (!next_field(r))
			return false;
	if (!json_next_element(&r->rest, &value))
		return false;
	bayeux_read_message(r->limits, value, m);
	return true;
}

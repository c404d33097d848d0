#include "wire/wsextension.h"

#include "wire/deflate.h"

/* One offer while its parameters are read. */
struct offer {
	bool is_deflate;
	bool is_bad;   /* a parameter is unknown, repeated or bad */
	unsigned seen; /* which parameters: bits as in offer_params */
	uint8_t window_bits;
};

static const char *const offer_params[] = {"server_no_context_takeover",
    "client_no_context_takeover", "server_max_window_bits",
    "client_max_window_bits"};

enum { SERVER_WINDOW = 2, CLIENT_WINDOW = 3, PARAMS = 4 };

/* 8 to 15, without leading zeros; else 0. */
static uint8_t
window_bits(struct slice value)
{
	if (value.n == 1 && (value.p[0] == '8' || value.p[0] == '9'))
		return (uint8_t)(value.p[0] - '0');
	if (value.n == 2 && value.p[0] == '1' && value.p[1] >= '0' &&
	    value.p[1] <= '5')
		return (uint8_t)(10 + value.p[1] - '0');
	return 0;
}

/* value.p == NULL: the parameter has none. */
static void
offer_add(struct offer *offer, struct slice name, struct slice value)
{
	unsigned which = 0;
	bool has_value = value.p != NULL;
	uint8_t bits = has_value ? window_bits(value) : 0;

	while (which < PARAMS && !wsopen_is_word(name, offer_params[which]))
		which++;
	if (which == PARAMS || (offer->seen & 1u << which) != 0) {
		offer->is_bad = true;
		return;
	}
	offer->seen |= 1u << which;
	if (which == SERVER_WINDOW) {
		offer->window_bits = bits;
		offer->is_bad |= bits == 0;
	} else if (which == CLIENT_WINDOW) {
		offer->is_bad |= has_value && bits == 0;
	} else {
		offer->is_bad |= has_value;
	}
}

/* Takes what follows the opening quote, and the closing one; unescapes it where
   it stands.  What comes out must be a token (RFC 6455, 9.1). */
static bool
take_quoted(struct slice *s, struct slice *value)
{
	char *to = (char *)s->p; /* the caller's list is ours to change */

	*value = (struct slice){to, 0};
	while (s->n > 0 && s->p[0] != '"') {
		if (s->p[0] == '\\')
			*s = slice_after(*s, 1);
		if (s->n == 0 || !wsopen_is_token_char(s->p[0]))
			return false;
		to[value->n++] = s->p[0];
		*s = slice_after(*s, 1);
	}
	if (s->n == 0 || value->n == 0)
		return false;
	*s = slice_after(*s, 1);
	return true;
}

/* A value is a token, quoted or not; false: malformed. */
static bool
take_value(struct slice *s, struct slice *value)
{
	if (s->n > 0 && s->p[0] == '"') {
		*s = slice_after(*s, 1);
		return take_quoted(s, value);
	}
	*value = wsopen_take_token(s);
	return value->n > 0;
}

static bool
take_char(struct slice *s, char c)
{
	*s = wsopen_trim(*s);
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = wsopen_trim(slice_after(*s, 1));
	return true;
}

/* Takes one extension with its parameters (RFC 6455, 9.1); false: malformed. */
static bool
take_extension(struct slice *s, struct offer *offer)
{
	struct slice name = wsopen_take_token(s), value;

	*offer = (struct offer){.window_bits = DEFLATE_WINDOW_BITS};
	offer->is_deflate = wsopen_is_word(name, "permessage-deflate");
	if (name.n == 0)
		return false;
	while (take_char(s, ';')) {
		name = wsopen_take_token(s);
		if (name.n == 0)
			return false;
		value = (struct slice){NULL, 0};
		if (take_char(s, '=') && !take_value(s, &value))
			return false;
		offer_add(offer, name, value);
	}
	return s->n == 0 || s->p[0] == ',';
}

bool
wsextension_read(struct wsopen *o, struct slice list, bool can_deflate)
{
	struct offer offer;

	for (list = wsopen_trim(list); list.n > 0;) {
		if (take_char(&list, ','))
			continue; /* an empty element */
		if (!take_extension(&list, &offer))
			return false;
		if (!can_deflate || o->has_deflate || !offer.is_deflate ||
		    offer.is_bad)
			continue;
		o->has_deflate = true;
		o->window_bits = offer.window_bits;
		o->is_window_asked = (offer.seen & 1u << SERVER_WINDOW) != 0;
	}
	return true;
}

void
wsextension_add_agreed(struct buf *b, const struct wsopen *o)
{
	if (!o->has_deflate)
		return;
	buf_add_text(b,
	    "Sec-WebSocket-Extensions: permessage-deflate;"
	    " server_no_context_takeover;"
	    " client_no_context_takeover");
	if (o->is_window_asked) {
		buf_add_text(b, "; server_max_window_bits=");
		buf_add_uint(b, o->window_bits);
	}
	buf_add_text(b, "\r\n");
}

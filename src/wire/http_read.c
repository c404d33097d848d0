/* What came in; what is sent is written by http.c. */
#include "wire/http.h"

#include "base/utf8.h"

#include <strings.h>

#define REDIRECT_MAX_BYTES 2000

static bool
is_same_text(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice
trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_after(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/*
 * Cuts *rest at the first separator outside a quoted string (RFC 9110, 5.6.4)
 * and returns what stood before it, trimmed.
 */
static struct slice
cut(struct slice *rest, char separator)
{
	struct slice head = *rest;
	bool is_quoted = false;
	size_t i;

	for (i = 0; i < rest->n; i++) {
		char c = rest->p[i];

		if (c == separator && !is_quoted)
			break;
		if (c == '"')
			is_quoted = !is_quoted;
		else if (c == '\\' && is_quoted && i + 1 < rest->n)
			i++;
	}
	head.n = i;
	*rest = i < rest->n ? slice_after(*rest, i + 1) : SLICE("");
	return trim(head);
}

bool
http_is_type(struct slice content_type, const char *type)
{
	return is_same_text(cut(&content_type, ';'), slice_of(type));
}

/* A weight (RFC 9110, 12.4.2) in thousandths; -1 if it is malformed. */
static int
parse_weight(struct slice s)
{
	int v, digit = 100;

	if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') ||
	    (s.n > 1 && s.p[1] != '.'))
		return -1;
	v = (s.p[0] - '0') * 1000;
	for (size_t i = 2; i < s.n; i++, digit /= 10) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		v += (s.p[i] - '0') * digit;
	}
	return v <= 1000 ? v : -1;
}

/* The weight among a media range's parameters; 1000 if there is none. */
static int
range_weight(struct slice parameters)
{
	while (parameters.n > 0) {
		struct slice p = cut(&parameters, ';');

		if (p.n >= 2 && (p.p[0] | 0x20) == 'q' && p.p[1] == '=')
			return parse_weight(slice_after(p, 2));
	}
	return 1000;
}

/* How a media range covers a type: the later, the more specific. */
enum cover { COVER_NONE, COVER_ANY, COVER_FAMILY, COVER_NAME };

/* How much a type is wanted, by the most specific range that covers it. */
struct wish {
	const char *type, *family;
	enum cover cover;
	int weight;
};

static enum cover
wish_cover(const struct wish *w, struct slice range)
{
	if (is_same_text(range, slice_of(w->type)))
		return COVER_NAME;
	if (is_same_text(range, slice_of(w->family)))
		return COVER_FAMILY;
	return slice_is(range, SLICE("*/*")) ? COVER_ANY : COVER_NONE;
}

static void
wish_weigh(struct wish *w, struct slice range, int weight)
{
	enum cover cover = wish_cover(w, range);

	if (cover == COVER_NONE || cover < w->cover)
		return;
	if (cover > w->cover || weight > w->weight)
		w->weight = weight;
	w->cover = cover;
}

bool
http_wants_html(struct slice accept)
{
	struct wish html = {.type = "text/html", .family = "text/*"};
	struct wish json = {
	    .type = "application/json", .family = "application/*"};

	while (accept.n > 0) {
		struct slice parameters = cut(&accept, ',');
		struct slice range = cut(&parameters, ';');
		int weight = range_weight(parameters);

		if (weight < 0)
			continue;
		wish_weigh(&html, range, weight);
		wish_weigh(&json, range, weight);
	}
	if (html.weight == json.weight)
		return html.weight > 0 && html.cover == COVER_NAME &&
		    json.cover != COVER_NAME;
	return html.weight > json.weight;
}

/* Takes the next entity tag off *rest, without its W/; false at the end. */
static bool
next_tag(struct slice *rest, struct slice *tag)
{
	const char *end;

	while (rest->n > 0 && (is_blank(rest->p[0]) || rest->p[0] == ','))
		*rest = slice_after(*rest, 1);
	if (slice_starts(*rest, SLICE("W/")))
		*rest = slice_after(*rest, 2);
	if (rest->n < 2 || rest->p[0] != '"')
		return false;
	end = memchr(rest->p + 1, '"', rest->n - 1);
	if (end == NULL)
		return false;
	*tag = (struct slice){rest->p, (size_t)(end + 1 - rest->p)};
	*rest = slice_after(*rest, tag->n);
	return true;
}

/* True if tag is ours, or ours with the suffix of a compressing server. */
static bool
is_same_tag(struct slice tag, struct slice ours)
{
	struct slice suffix;

	if (slice_is(tag, ours))
		return true;
	if (!slice_starts(tag, (struct slice){ours.p, ours.n - 1}))
		return false;
	suffix = slice_after(tag, ours.n - 1);
	return slice_is(suffix, SLICE("-gzip\"")) ||
	    slice_is(suffix, SLICE("-br\""));
}

bool
http_etag_matches(struct slice if_none_match, struct slice etag)
{
	struct slice tag, ours;

	if (slice_is(trim(if_none_match), SLICE("*")))
		return true;
	if (!next_tag(&etag, &ours))
		return false;
	while (next_tag(&if_none_match, &tag))
		if (is_same_tag(tag, ours))
			return true;
	return false;
}

/* True if target begins with a scheme (RFC 3986, 4.2): ':' before the first of
   what ends a segment. */
static bool
has_scheme(struct slice target)
{
	for (size_t i = 0; i < target.n; i++) {
		if (target.p[i] == ':')
			return true;
		if (strchr("/?#", target.p[i]) != NULL)
			break;
	}
	return false;
}

enum rc
http_redirect_check(struct slice target, struct err *e)
{
	if (target.n > REDIRECT_MAX_BYTES)
		return err_set(
		    e, RC_BAD, "redirect is over %d bytes", REDIRECT_MAX_BYTES);
	if (target.n == 0 || slice_starts(target, SLICE("//")) ||
	    has_scheme(target))
		return err_set(e, RC_BAD,
		    "redirect must be a place on this site: /a/path, or a path"
		    " relative to that of publish, such as ../page.html");
	if (utf8_before_control(target) != target.n)
		return err_set(e, RC_BAD,
		    "redirect holds a control character or invalid UTF-8"
		    " at byte %zu",
		    utf8_before_control(target));
	if (memchr(target.p, '\\', target.n) || memchr(target.p, ' ', target.n))
		return err_set(e, RC_BAD,
		    "redirect holds a backslash or a space: write %%5C or"
		    " %%20");
	return RC_OK;
}

/* Decimal 0 to 65535 of at most five digits; -1 otherwise. */
static int
parse_port(struct slice s)
{
	int v = 0;

	if (s.n == 0 || s.n > 5)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		v = v * 10 + (s.p[i] - '0');
	}
	return v <= 65535 ? v : -1;
}

/* Splits "host[:port]"; *port is left alone when there is none. */
static bool
split_authority(struct slice s, struct slice *host, int *port)
{
	const char *colon = NULL, *bracket = NULL;
	struct slice from = s;

	if (s.n > 0 && s.p[0] == '[') {
		bracket = memchr(s.p, ']', s.n);
		if (bracket == NULL)
			return false;
		from = slice_after(s, (size_t)(bracket + 1 - s.p));
		if (from.n > 0 && from.p[0] != ':')
			return false;
	}
	if (from.n > 0)
		colon = memchr(from.p, ':', from.n);
	*host = s;
	if (colon != NULL) {
		host->n = (size_t)(colon - s.p);
		s = slice_after(s, host->n + 1);
		if (s.n > 0)
			*port = parse_port(s);
	}
	return host->n > 0 && *port >= 0;
}

bool
http_origin_is_host(struct slice origin, struct slice host)
{
	static const struct {
		struct slice prefix;
		int port;
	} schemes[] = {
	    {{"https://", 8}, 443},
	    {{"http://", 7}, 80},
	};
	struct slice a, b;

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		struct slice head = {origin.p, schemes[i].prefix.n};
		int a_port = schemes[i].port, b_port = schemes[i].port;

		if (origin.n < head.n || !is_same_text(head, schemes[i].prefix))
			continue;
		origin = slice_after(origin, head.n);
		return split_authority(origin, &a, &a_port) &&
		    split_authority(trim(host), &b, &b_port) &&
		    a_port == b_port && is_same_text(a, b);
	}
	return false;
}

#include "wire/json.h"

#include "base/utf8.h"

#include <stdint.h>

/* What a byte may mean to one of the loops below, so that each of them passes
   over plain bytes with one look-up. */
enum {
	IS_CONTROL = 1, /* C0: never raw in a string */
	IS_QUOTED = 2,  /* '"' and '\\' */
	IS_DEL = 4,
	IS_SEPARATOR = 8,   /* 0xe2, with which U+2028 and U+2029 begin */
	IS_MARKUP = 16,     /* '<', '>', '&' */
	IS_NEST = 32,       /* brackets, braces and '"' */
	IS_SCALAR_END = 64, /* ',', ']' and '}' */
};

#define C IS_CONTROL
#define CONTROLS C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C
static const unsigned char byte_class[256] = {CONTROLS,
    CONTROLS, ['"'] = IS_QUOTED | IS_NEST, ['\\'] = IS_QUOTED, [0x7f] = IS_DEL,
    [0xe2] = IS_SEPARATOR, ['<'] = IS_MARKUP, ['>'] = IS_MARKUP,
    ['&'] = IS_MARKUP, ['['] = IS_NEST, ['{'] = IS_NEST,
    [']'] = IS_NEST | IS_SCALAR_END, ['}'] = IS_NEST | IS_SCALAR_END,
    [','] = IS_SCALAR_END};
#undef CONTROLS
#undef C

/* The first byte from p on that is in one of the classes, or end. */
static inline const char *
plain_end(const char *p, const char *end, unsigned classes)
{
	while (p < end && !(byte_class[(unsigned char)*p] & classes))
		p++;
	return p;
}

static bool
hex4(const char *p, const char *end, uint32_t *v)
{
	uint32_t got = 0;

	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c >= '0' && c <= '9')
			got = got << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			got = got << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*v = got;
	return true;
}

/* Reads the hex digits of "\uXXXX" at p, and the second half of a pair. */
static const char *
read_unicode_escape(const char *p, const char *end, uint32_t *c)
{
	uint32_t low;

	if (!hex4(p, end, c))
		return NULL;
	p += 4;
	if (*c < 0xd800 || *c > 0xdfff)
		return p;
	if (*c > 0xdbff || end - p < 6 || p[0] != '\\' || p[1] != 'u' ||
	    !hex4(p + 2, end, &low) || low < 0xdc00 || low > 0xdfff)
		return NULL;
	*c = 0x10000 + ((*c - 0xd800) << 10 | (low - 0xdc00));
	return p + 6;
}

/* The escapes of one letter and what they mean. */
static const char escape_letter[] = "\"\\/bfnrt";
static const char escape_value[] = "\"\\/\b\f\n\r\t";

/* Reads the escape whose backslash p is at: *c is the character, the result is
   what follows; NULL if it is not one. */
static const char *
read_escape(const char *p, const char *end, uint32_t *c)
{
	const char *letter;

	if (end - p < 2)
		return NULL;
	if (p[1] == 'u')
		return read_unicode_escape(p + 2, end, c);
	letter = memchr(escape_letter, p[1], sizeof escape_letter - 1);
	if (letter == NULL)
		return NULL;
	*c = (unsigned char)escape_value[letter - escape_letter];
	return p + 2;
}

/* What may come next in the text. */
enum expect {
	VALUE,
	VALUE_OR_CLOSE, /* after '[' */
	NAME,
	NAME_OR_CLOSE, /* after '{' */
	COLON,
	COMMA_OR_CLOSE,
	END,
	FAILED, /* the text of the failure is formed */
};

static const char *const expect_text[] = {
    [VALUE] = "a value",
    [VALUE_OR_CLOSE] = "a value or ']'",
    [NAME] = "a member name in quotes",
    [NAME_OR_CLOSE] = "a member name in quotes or '}'",
    [COLON] = "':'",
    [COMMA_OR_CLOSE] = "',' or the closing bracket",
    [END] = "nothing more",
};

struct scan {
	const char *text, *p, *end;
	const char *run; /* run to p is read, and still to be moved ... */
	char *to;        /* ... to here */
	struct err *e;
	size_t depth;
	char closer[JSON_MAX_DEPTH]; /* ']' or '}' of each open value */
};

static enum expect
expected(struct scan *s, const char *at, const char *what)
{
	size_t offset = (size_t)(at - s->text);

	if (at == s->end)
		err_set(s->e, RC_BAD,
		    "the JSON text ends at byte %zu: expected %s", offset,
		    what);
	else
		err_set(s->e, RC_BAD, "byte %zu of the JSON text: expected %s",
		    offset, what);
	return FAILED;
}

static void
move_run(struct scan *s)
{
	size_t n = (size_t)(s->p - s->run);

	if (s->to != s->run)
		memmove(s->to, s->run, n);
	s->to += n;
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void
squeeze_space(struct scan *s)
{
	if (s->p == s->end || !is_space(*s->p))
		return;
	move_run(s);
	do
		s->p++;
	while (s->p < s->end && is_space(*s->p));
	s->run = s->p;
}

static inline enum expect
after_value(const struct scan *s)
{
	return s->depth == 0 ? END : COMMA_OR_CLOSE;
}

static enum expect
scan_string(struct scan *s, enum expect next)
{
	const char *p = s->p + 1, *after;
	uint32_t c;

	for (;;) {
		p = plain_end(p, s->end, IS_CONTROL | IS_QUOTED);
		if (p == s->end)
			return expected(s, p, "the closing quote");
		if (*p == '"')
			break;
		if (*p != '\\')
			return expected(s, p,
			    "no control character in a string: escape it");
		after = read_escape(p, s->end, &c);
		if (after == NULL)
			return expected(s, p,
			    "an escape like \\n or \\u20ac, surrogates only"
			    " in pairs");
		p = after;
	}
	s->p = p + 1;
	return next;
}

static inline const char *
digits_end(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static enum expect
scan_number(struct scan *s)
{
	const char *p = s->p, *from;

	if (*p == '-')
		p++;
	from = p;
	p = digits_end(p, s->end);
	if (p == from)
		return expected(s, p, from == s->p ? "a value" : "a digit");
	if (*from == '0' && p - from > 1)
		return expected(s, from + 1, "no digit after a leading 0");
	if (p < s->end && *p == '.') {
		from = p + 1;
		p = digits_end(from, s->end);
		if (p == from)
			return expected(s, p, "a digit");
	}
	if (p < s->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < s->end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = digits_end(from, s->end);
		if (p == from)
			return expected(s, p, "a digit");
	}
	s->p = p;
	return after_value(s);
}

static enum expect
scan_literal(struct scan *s, struct slice word)
{
	struct slice rest = {s->p, (size_t)(s->end - s->p)};

	if (!slice_starts(rest, word))
		return expected(s, s->p, "true, false or null");
	s->p += word.n;
	return after_value(s);
}

static enum expect
scan_open(struct scan *s, char closer, enum expect next)
{
	if (s->depth == JSON_MAX_DEPTH) {
		err_set(s->e, RC_BAD,
		    "byte %zu of the JSON text: nested over %d deep",
		    (size_t)(s->p - s->text), JSON_MAX_DEPTH);
		return FAILED;
	}
	s->closer[s->depth++] = closer;
	s->p++;
	return next;
}

static inline enum expect
scan_close(struct scan *s)
{
	s->depth--;
	s->p++;
	return after_value(s);
}

static enum expect
scan_value(struct scan *s)
{
	switch (*s->p) {
	case '"':
		return scan_string(s, after_value(s));
	case '{':
		return scan_open(s, '}', NAME_OR_CLOSE);
	case '[':
		return scan_open(s, ']', VALUE_OR_CLOSE);
	case 't':
		return scan_literal(s, SLICE("true"));
	case 'f':
		return scan_literal(s, SLICE("false"));
	case 'n':
		return scan_literal(s, SLICE("null"));
	default:
		return scan_number(s);
	}
}

/* After a value inside an array or object. */
static enum expect
scan_comma(struct scan *s)
{
	char closer = s->closer[s->depth - 1];

	if (*s->p == closer)
		return scan_close(s);
	if (*s->p != ',')
		return expected(
		    s, s->p, closer == '}' ? "',' or '}'" : "',' or ']'");
	s->p++;
	return closer == '}' ? NAME : VALUE;
}

/* Reads one token, at which s->p is. */
static inline enum expect
scan_token(struct scan *s, enum expect state)
{
	char c = *s->p;

	switch (state) {
	case VALUE_OR_CLOSE:
		return c == ']' ? scan_close(s) : scan_value(s);
	case VALUE:
		return scan_value(s);
	case NAME_OR_CLOSE:
		if (c == '}')
			return scan_close(s);
		break;
	case NAME:
		break;
	case COLON:
		if (c != ':')
			return expected(s, s->p, expect_text[COLON]);
		s->p++;
		return VALUE;
	case COMMA_OR_CLOSE:
		return scan_comma(s);
	case END:
	case FAILED:
		return expected(s, s->p, expect_text[END]);
	}
	if (c == '"')
		return scan_string(s, COLON);
	return expected(s, s->p, expect_text[state]);
}

enum rc
json_compact(char *text, size_t *n, struct err *e)
{
	size_t ok = utf8_valid((struct slice){text, *n});
	enum expect state = VALUE;
	struct scan s;

	if (ok < *n)
		return err_set(e, RC_BAD,
		    "byte %zu of the JSON text: not valid UTF-8", ok);
	if (*n == 0)
		return err_set(e, RC_BAD, "the JSON text is empty");
	s.text = s.p = s.run = s.to = text;
	s.end = text + *n;
	s.e = e;
	s.depth = 0;
	for (squeeze_space(&s); s.p < s.end; squeeze_space(&s)) {
		state = scan_token(&s, state);
		if (state == FAILED)
			return RC_BAD;
	}
	if (state != END) {
		expected(&s, s.end, expect_text[state]);
		return RC_BAD;
	}
	move_run(&s);
	*n = (size_t)(s.to - text);
	return RC_OK;
}

/* The two skippers trust the text but never leave it. */
static const char *
skip_string(const char *p, const char *end)
{
	if (p == end)
		return end;
	for (p++;;) {
		p = plain_end(p, end, IS_QUOTED);
		if (p == end)
			return end;
		if (*p == '"')
			return p + 1;
		if (end - p < 2)
			return end;
		p += 2;
	}
}

static const char *
skip_value(const char *p, const char *end)
{
	size_t depth = 0;

	if (p == end || !(byte_class[(unsigned char)*p] & IS_NEST))
		return plain_end(p, end, IS_SCALAR_END);
	do {
		p = plain_end(p, end, IS_NEST);
		if (p == end)
			return end;
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (depth > 0)
			depth--;
		p++;
	} while (depth > 0);
	return p;
}

static struct json_members
inside(struct slice compact)
{
	if (compact.n <= 2)
		return (struct json_members){{compact.p, 0}};
	return (struct json_members){{compact.p + 1, compact.n - 2}};
}

struct json_members
json_members_of(struct slice compact_object)
{
	return inside(compact_object);
}

struct json_members
json_elements_of(struct slice compact_array)
{
	return inside(compact_array);
}

bool
json_next_member(
    struct json_members *m, struct slice *name, struct slice *value)
{
	const char *p = m->rest.p, *end = p + m->rest.n, *after;

	if (m->rest.n == 0)
		return false;
	after = skip_string(p, end);
	*name = (struct slice){p, (size_t)(after - p)};
	if (after < end)
		after++; /* ':' */
	m->rest = (struct slice){after, (size_t)(end - after)};
	if (!json_next_element(m, value))
		*value = (struct slice){end, 0};
	return true;
}

bool
json_next_element(struct json_members *m, struct slice *value)
{
	const char *p = m->rest.p, *end = p + m->rest.n, *after;

	if (m->rest.n == 0)
		return false;
	after = skip_value(p, end);
	*value = (struct slice){p, (size_t)(after - p)};
	if (after < end)
		after++; /* ',' */
	m->rest = (struct slice){after, (size_t)(end - after)};
	return true;
}

struct slice
json_unescape(char *string, size_t n)
{
	const char *run, *p, *end;
	uint32_t c;
	char *to;

	if (n < 2)
		return (struct slice){string, 0};
	to = string + 1;
	end = string + n - 1;
	for (run = to;; run = p) {
		p = plain_end(run, end, IS_QUOTED);
		if (to != run)
			memmove(to, run, (size_t)(p - run));
		to += p - run;
		if (p == end || (p = read_escape(p, end, &c)) == NULL)
			break;
		to += utf8_put(to, c);
	}
	return (struct slice){string + 1, (size_t)(to - string) - 1};
}

void
json_add_unescaped(struct buf *b, struct slice string)
{
	const char *run, *p, *end;
	uint32_t c;

	if (string.n < 2)
		return;
	end = string.p + string.n - 1;
	for (run = string.p + 1;; run = p) {
		p = plain_end(run, end, IS_QUOTED);
		buf_add(b, run, (size_t)(p - run));
		if (p == end || (p = read_escape(p, end, &c)) == NULL)
			return;
		utf8_add(b, c);
	}
}

static void
add_hex_escape(struct buf *b, unsigned c)
{
	static const char digit[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', digit[c >> 12], digit[c >> 8 & 0xf],
	    digit[c >> 4 & 0xf], digit[c & 0xf]};

	buf_add(b, text, sizeof text);
}

static void
add_escape(struct buf *b, unsigned char c)
{
	const char *value = memchr(escape_value, c, sizeof escape_value - 1);
	char text[2] = {'\\'};

	if (value == NULL) {
		add_hex_escape(b, c);
		return;
	}
	text[1] = escape_letter[value - escape_value];
	buf_add(b, text, 2);
}

/* Appends s with the characters of these classes escaped. */
static void
add_escaping(struct buf *b, struct slice s, unsigned classes)
{
	const char *run = s.p, *p = run, *end = p + s.n;

	for (;;) {
		p = plain_end(p, end, classes);
		if (p < end && *p == '\xe2') {
			if (end - p < 3 || p[1] != '\x80' ||
			    (p[2] & '\xfe') != '\xa8') {
				p++; /* another character from U+2000 on */
				continue;
			}
			buf_add(b, run, (size_t)(p - run));
			add_hex_escape(b, p[2] == '\xa8' ? 0x2028 : 0x2029);
			run = p += 3;
			continue;
		}
		buf_add(b, run, (size_t)(p - run));
		if (p == end)
			return;
		add_escape(b, (unsigned char)*p);
		run = ++p;
	}
}

void
json_add_string(struct buf *b, struct slice s, bool for_script)
{
	unsigned classes = IS_CONTROL | IS_QUOTED | IS_DEL | IS_SEPARATOR;

	if (buf_room(b, s.n + 2) == NULL)
		return;
	buf_add_char(b, '"');
	if (s.n > 0)
		add_escaping(b, s, for_script ? classes | IS_MARKUP : classes);
	buf_add_char(b, '"');
}

void
json_add_text(struct buf *b, struct slice compact, bool for_script)
{
	unsigned classes = IS_SEPARATOR;

	if (compact.n > 0 && buf_room(b, compact.n) != NULL)
		add_escaping(
		    b, compact, for_script ? classes | IS_MARKUP : classes);
}

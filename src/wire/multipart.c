#include "wire/multipart.h"

#include <strings.h>

#define BOUNDARY_MAX_BYTES 70

static struct slice
trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_after(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Where the quoted string that begins at s.p[at] ends: at its closing quote. */
static size_t
quoted_end(struct slice s, size_t at)
{
	for (at++; at < s.n && s.p[at] != '"'; at++)
		if (s.p[at] == '\\' && at + 1 < s.n)
			at++;
	return at;
}

/* Takes what stands before the next ';' outside of quotes off *rest. */
static struct slice
next_piece(struct slice *rest)
{
	size_t at = 0;
	struct slice piece;

	while (at < rest->n && rest->p[at] != ';')
		at = rest->p[at] == '"' ? quoted_end(*rest, at) + 1 : at + 1;
	if (at > rest->n)
		at = rest->n; /* the closing quote is missing */
	piece = trim((struct slice){rest->p, at});
	*rest = slice_after(*rest, at == rest->n ? at : at + 1);
	return piece;
}

struct slice
multipart_param(struct slice header_value, const char *name)
{
	struct slice rest = header_value, piece, value;
	size_t name_bytes = strlen(name), end;

	if (rest.n == 0)
		return (struct slice){NULL, 0};
	(void)next_piece(&rest); /* the type itself */
	while (rest.n > 0) {
		piece = next_piece(&rest);
		if (piece.n <= name_bytes || piece.p[name_bytes] != '=' ||
		    strncasecmp(piece.p, name, name_bytes) != 0)
			continue;
		value = slice_after(piece, name_bytes + 1);
		if (value.n == 0 || value.p[0] != '"')
			return value;
		end = quoted_end(value, 0);
		if (end < value.n)
			return (struct slice){value.p + 1, end - 1};
	}
	return (struct slice){NULL, 0};
}

enum rc
multipart_boundary(struct slice content_type, char out[71], struct err *e)
{
	struct slice s = multipart_param(content_type, "boundary");

	if (s.n == 0)
		return err_set(
		    e, RC_BAD, "the Content-Type has no boundary parameter");
	if (s.n > BOUNDARY_MAX_BYTES)
		return err_set(e, RC_BAD,
		    "the boundary has %zu bytes: at most %d are allowed", s.n,
		    BOUNDARY_MAX_BYTES);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return err_set(e, RC_BAD,
			    "the boundary has a byte that is not printable"
			    " ASCII");
	memcpy(out, s.p, s.n);
	out[s.n] = 0;
	return RC_OK;
}

struct form {
	char *body, *end;
	struct slice dashes; /* "--" and the boundary */
};

/* A delimiter line (RFC 2046, 5.1.1). */
struct delimiter {
	char *before; /* the end of the part before it */
	char *after;  /* the start of the part after it */
	bool is_last;
};

/* Reads what follows "--boundary" at p; false if that makes it no delimiter,
   but text that begins like one. */
static bool
read_delimiter(const struct form *f, char *p, struct delimiter *d)
{
	d->is_last = f->end - p >= 2 && p[0] == '-' && p[1] == '-';
	if (d->is_last)
		p += 2;
	while (p < f->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < f->end && *p == '\r')
		p++;
	d->after = p < f->end ? p + 1 : p;
	return p == f->end || *p == '\n';
}

/* Finds the next delimiter at the start of a line from `from` on. */
static bool
find_delimiter(const struct form *f, char *from, struct delimiter *d)
{
	char *p = from;

	for (; (p = memmem(p, (size_t)(f->end - p), f->dashes.p, f->dashes.n));
	     p++) {
		if (p != f->body && p[-1] != '\n')
			continue;
		if (!read_delimiter(f, p + f->dashes.n, d))
			continue;
		d->before = p;
		if (d->before > from)
			d->before--;
		if (d->before > from && d->before[-1] == '\r')
			d->before--;
		return true;
	}
	return false;
}

static int
escaped_char(const char *p, const char *end)
{
	if (end - p >= 2 && p[0] == '\\' && (p[1] == '"' || p[1] == '\\'))
		return p[1];
	if (end - p < 3 || p[0] != '%')
		return -1;
	if (p[1] == '2' && p[2] == '2')
		return '"';
	if (p[1] == '0' && (p[2] == 'D' || p[2] == 'd'))
		return '\r';
	if (p[1] == '0' && (p[2] == 'A' || p[2] == 'a'))
		return '\n';
	return -1;
}

/* Unescapes a field's name in place (HTML, "multipart/form-data"). */
static struct slice
unescape_name(char *name, size_t n)
{
	char *p = name, *to = name, *end = name + n;
	int c;

	while (p < end) {
		c = escaped_char(p, end);
		if (c < 0) {
			*to++ = *p++;
			continue;
		}
		p += *p == '%' ? 3 : 2;
		*to++ = (char)c;
	}
	return (struct slice){name, (size_t)(to - name)};
}

/* Reads the header lines of the part from p to end; *name is its field's name
   (p == NULL: none).  Returns where its content begins. */
static char *
read_headers(char *p, char *end, struct slice *name)
{
	const struct slice disposition = SLICE("content-disposition:");
	struct slice line;
	char *next;

	*name = (struct slice){NULL, 0};
	for (; p < end; p = next) {
		next = memchr(p, '\n', (size_t)(end - p));
		next = next == NULL ? end : next + 1;
		line = (struct slice){p, (size_t)(next - p)};
		while (line.n > 0 &&
		    (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
			line.n--;
		if (line.n == 0)
			return next;
		if (line.n > disposition.n &&
		    !strncasecmp(line.p, disposition.p, disposition.n))
			*name = multipart_param(line, "name");
	}
	return end;
}

/* Reads one part, from p to end, into *field. */
static bool
read_part(char *p, char *end, struct param *field)
{
	struct slice name;
	char *content = read_headers(p, end, &name);

	if (name.p == NULL)
		return false;
	field->name = unescape_name(p + (name.p - p), name.n);
	field->value = (struct slice){content, (size_t)(end - content)};
	return true;
}

enum rc
multipart_parse(
    char *body, size_t n, const char *boundary, struct params *p, struct err *e)
{
	char dashes[2 + BOUNDARY_MAX_BYTES + 1] = "--";
	struct form f = {.body = body, .end = n == 0 ? body : body + n};
	struct delimiter d;
	char *part;

	p->n = 0;
	strncat(dashes, boundary, BOUNDARY_MAX_BYTES);
	f.dashes = slice_of(dashes);
	if (n == 0 || !find_delimiter(&f, body, &d))
		return err_set(e, RC_BAD,
		    "the boundary of the Content-Type does not occur in the"
		    " form");
	while (!d.is_last) {
		part = d.after;
		if (!find_delimiter(&f, part, &d))
			return err_set(e, RC_BAD,
			    "the form has no closing boundary after %zu"
			    " fields: it was cut off",
			    p->n);
		if (p->n == QUERY_MAX_PARAMS)
			return err_set(e, RC_BAD,
			    "more than %d fields in the form",
			    QUERY_MAX_PARAMS);
		if (!read_part(part, d.before, &p->item[p->n]))
			return err_set(e, RC_BAD,
			    "field %zu of the form has no name", p->n + 1);
		p->n++;
	}
	return RC_OK;
}

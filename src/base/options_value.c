/* Values of options: from text into the fields of struct options.  The entries
   of lists: options_list.c. */
#include "base/options_table.h"
#include "base/address.h"
#include "base/quantity.h"

#include <stdlib.h>

static void *
field_of(struct options *o, const struct option_row *row)
{
	return (char *)o + row->offset;
}

bool
option_is_list(const struct option_row *row)
{
	return row->kind == OPTION_RETAIN || row->kind == OPTION_ORIGIN;
}

struct slice
option_trim(struct slice s)
{
	while (s.n > 0 && strchr(" \t\r", s.p[0]) != NULL && s.p[0] != 0)
		s = slice_after(s, 1);
	while (s.n > 0 && strchr(" \t\r", s.p[s.n - 1]) != NULL &&
	    s.p[s.n - 1] != 0)
		s.n--;
	return s;
}

struct slice
option_word(struct slice *rest, const char *separators)
{
	struct slice word = {rest->p, 0};

	while (word.n < rest->n &&
	    (word.p[word.n] == 0 || !strchr(separators, word.p[word.n])))
		word.n++;
	*rest = word.n < rest->n ? slice_after(*rest, word.n + 1)
	                         : (struct slice){"", 0};
	return word;
}

/* A quantity of a kind as its range names it. */
static void
add_quantity(struct buf *b, const struct option_row *row, uint64_t v)
{
	if (row->kind == OPTION_BYTES)
		quantity_add_bytes(b, v);
	else if (row->kind == OPTION_OCTAL)
		buf_printf(b, "%#jo", (uintmax_t)v);
	else
		buf_add_uint(b, v);
}

static void
add_choices(struct buf *b, const char *choices)
{
	struct slice rest = slice_of(choices);

	while (rest.n > 0) {
		buf_add_slice(b, option_word(&rest, ","));
		if (rest.n > 0)
			buf_add_text(b, strchr(rest.p, ',') ? ", " : " or ");
	}
}

void
option_add_range(struct buf *b, const struct option_row *row)
{
	switch (row->kind) {
	case OPTION_CHOICE:
		add_choices(b, row->unit);
		return;
	case OPTION_COUNT:
	case OPTION_OCTAL:
	case OPTION_BYTES:
	case OPTION_MS:
	case OPTION_SECONDS:
		break;
	case OPTION_PATH:
	case OPTION_SOCKET:
	case OPTION_RETAIN:
	case OPTION_ORIGIN:
		return;
	}
	add_quantity(b, row, row->least);
	buf_add_text(b, " to ");
	add_quantity(b, row, row->most);
	if (row->kind == OPTION_BYTES)
		buf_add_text(b, " bytes");
	else if (row->kind == OPTION_MS)
		buf_add_text(b, " ms");
	else if (row->kind == OPTION_SECONDS)
		buf_add_text(b, " seconds");
}

/* RC_CONFIG: "must be full or normal", and how a quantity may be written. */
static enum rc
out_of_range(const struct option_row *row, struct err *e)
{
	struct buf b;
	enum rc rc;

	buf_init(&b, 0);
	option_add_range(&b, row);
	if (row->kind == OPTION_BYTES)
		buf_add_text(&b, " (64K is 65536)");
	else if (row->kind == OPTION_MS || row->kind == OPTION_SECONDS)
		buf_add_text(&b, " (or with ms, s, m, h, d)");
	else if (row->kind == OPTION_OCTAL)
		buf_add_text(&b, ", octal");
	rc = b.rc == RC_OK
	    ? err_set(e, RC_CONFIG, "must be %.*s", (int)b.n, b.p)
	    : err_set(e, RC_NOMEM, "no memory");
	buf_fini(&b);
	return rc;
}

static bool
read_choice(const char *choices, struct slice value, uint64_t *v)
{
	struct slice rest = slice_of(choices);

	for (*v = 0; rest.n > 0; (*v)++)
		if (slice_is(option_word(&rest, ","), value))
			return true;
	return false;
}

static bool
read_seconds(struct slice value, uint64_t *v)
{
	uint64_t ms;

	if (!quantity_ms(value, 1000, &ms) || ms % 1000 != 0)
		return false;
	*v = ms / 1000;
	return true;
}

static bool
read_number(const struct option_row *row, struct slice value, uint64_t *v)
{
	switch (row->kind) {
	case OPTION_CHOICE:
		return read_choice(row->unit, value, v);
	case OPTION_COUNT:
		return quantity_uint(value, v);
	case OPTION_OCTAL:
		return quantity_octal(value, v);
	case OPTION_BYTES:
		return quantity_bytes(value, v);
	case OPTION_MS:
		return quantity_ms(value, 1, v);
	case OPTION_SECONDS:
		return read_seconds(value, v);
	case OPTION_PATH:
	case OPTION_SOCKET:
	case OPTION_RETAIN:
	case OPTION_ORIGIN:
		break;
	}
	return false;
}

/* The field is a uint64_t, a uint32_t, or an enum of the same size. */
static enum rc
set_number(struct options *o, const struct option_row *row, struct slice value,
    struct err *e)
{
	uint64_t v;
	uint32_t narrow;

	if (!read_number(row, value, &v) || v < row->least || v > row->most)
		return out_of_range(row, e);
	narrow = (uint32_t)v;
	if (row->size == sizeof v)
		memcpy(field_of(o, row), &v, sizeof v);
	else
		memcpy(field_of(o, row), &narrow, sizeof narrow);
	return RC_OK;
}

static enum rc
set_text(struct options *o, const struct option_row *row, struct slice value,
    struct err *e)
{
	char **field = field_of(o, row), *copy = NULL;
	struct address a;
	enum rc rc;

	if (value.n > 0 && row->kind == OPTION_SOCKET) {
		rc = address_parse(value, &a, e);
		if (rc != RC_OK)
			return rc;
	}
	if (value.n > 0) {
		copy = option_copy(value);
		if (copy == NULL)
			return err_set(e, RC_NOMEM, "no memory");
	}
	free(*field);
	*field = copy;
	return RC_OK;
}

static bool
has_control(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') ||
		    s.p[i] == 0x7f)
			return true;
	return false;
}

enum rc
option_set(struct options *o, const struct option_row *row, struct slice value,
    struct err *e)
{
	value = option_trim(value);
	if (has_control(value))
		return err_set(
		    e, RC_CONFIG, "must not hold control characters");
	if (row->kind == OPTION_PATH || row->kind == OPTION_SOCKET)
		return set_text(o, row, value, e);
	if (!option_is_list(row))
		return set_number(o, row, value, e);
	if (value.n == 0)
		return RC_OK;
	return row->kind == OPTION_RETAIN
	    ? option_add_rule(field_of(o, row), value, e)
	    : option_add_origin(field_of(o, row), value, e);
}

void
option_clear(struct options *o, const struct option_row *row)
{
	char **text = field_of(o, row);

	if (row->kind == OPTION_RETAIN) {
		option_clear_rules(field_of(o, row));
	} else if (row->kind == OPTION_ORIGIN) {
		option_clear_texts(field_of(o, row));
	} else if (row->kind == OPTION_PATH || row->kind == OPTION_SOCKET) {
		free(*text);
		*text = NULL;
	}
}

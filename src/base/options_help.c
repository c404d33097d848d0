/* The options table written down, for --help and for the man page. */
#include "base/options_table.h"

#include <ctype.h>

#define COLUMNS 80
#define INDENT 8

/* The table in its order, with the titles between. */
static void
each_row(struct buf *b, void (*group)(struct buf *b, const char *title),
    void (*row)(struct buf *b, const struct option_row *row))
{
#define GROUP(title) group(b, title);
#define X(type, field, kind, name, unit, def, least, most, help) \
	row(b, &options_table[OPTION_AT_##field]);
#include "base/options.def"
#undef X
#undef GROUP
}

static void
add_wrapped(struct buf *b, const char *text)
{
	struct slice rest = slice_of(text), word;
	size_t column = COLUMNS;

	while (rest.n > 0) {
		word = option_word(&rest, " ");
		if (column + 1 + word.n > COLUMNS - 1) {
			buf_printf(b, "\n%*s", INDENT, "");
			column = INDENT;
		} else {
			buf_add_char(b, ' ');
			column++;
		}
		buf_add_slice(b, word);
		column += word.n;
	}
}

/* "(default 64K; 1 to 16M bytes; repeatable)" */
static void
add_facts(struct buf *b, const struct option_row *row)
{
	size_t start;

	buf_add_text(b, "(default ");
	buf_add_text(b, row->def == NULL ? "none" : row->def);
	buf_add_text(b, "; ");
	start = b->n;
	if (row->kind != OPTION_CHOICE)
		option_add_range(b, row);
	if (option_is_list(row))
		buf_add_text(b, "repeatable");
	if (b->n == start && b->rc == RC_OK)
		b->n -= 2; /* nothing came behind the semicolon */
	buf_add_char(b, ')');
}

/* What stands for the value: "BYTES", "full|normal". */
static void
add_unit(struct buf *b, const struct option_row *row)
{
	const char *c;

	for (c = row->unit; *c != 0; c++)
		buf_add_char(b, *c == ',' ? '|' : *c);
}

static void
help_group(struct buf *b, const char *title)
{
	buf_printf(b, "\n%s:\n", title);
}

static void
help_row(struct buf *b, const struct option_row *row)
{
	buf_printf(b, "  --%s ", row->name);
	add_unit(b, row);
	buf_add_text(b, "  ");
	add_facts(b, row);
	add_wrapped(b, row->help);
	buf_add_char(b, '\n');
}

void
options_add_help(struct buf *b, const char *program)
{
	buf_printf(b,
	    "Usage: %s --log FILE [--OPTION VALUE | --OPTION=VALUE]...\n",
	    program);
	buf_add_text(b,
	    "       --help | --version | --help-man\n"
	    "Live updates for web sites, behind a web server that speaks "
	    "FastCGI or CGI.\n\n"
	    "Each option may also stand in the environment (COMETLOG_MAX_HOLD "
	    "for\n--max-hold) and in the file of --config (max-hold = 270s). "
	    "The command line\nwins over the environment, and that over the "
	    "file. Sizes take K, M and G;\ntimes take ms, s, m, h and d. In "
	    "the environment ';' separates the entries\nof what is "
	    "repeatable.\n");
	each_row(b, help_group, help_row);
}

/* Text for mdoc: no escapes, no requests, and hyphens that can be copied. */
static void
man_text(struct buf *b, const char *text)
{
	const char *c;

	if (*text == '.' || *text == '\'')
		buf_add_text(b, "\\&"); /* it would be a request */
	for (c = text; *c != 0; c++) {
		if (*c == '-')
			buf_add_text(b, "\\-");
		else if (*c == '\\')
			buf_add_text(b, "\\e");
		else
			buf_add_char(b, *c);
	}
}

static void
man_group(struct buf *b, const char *title)
{
	if (b->n > 0)
		buf_add_text(b, ".El\n");
	buf_printf(b, ".Ss %s\n.Bl -tag -width Ds\n", title);
}

/* The choices are words to be typed, other values stand for something. */
static void
man_unit(struct buf *b, const struct option_row *row)
{
	const char *c;

	if (row->kind != OPTION_CHOICE) {
		buf_add_text(b, " Ar ");
		for (c = row->unit; *c != 0; c++)
			buf_add_char(b, (char)tolower((unsigned char)*c));
		return;
	}
	buf_add_text(b, " Cm ");
	for (c = row->unit; *c != 0; c++)
		if (*c == ',')
			buf_add_text(b, " | ");
		else
			buf_add_char(b, *c);
}

static void
man_row(struct buf *b, const struct option_row *row)
{
	struct buf facts;

	buf_printf(b, ".It Fl -%s", row->name);
	man_unit(b, row);
	buf_add_char(b, '\n');
	buf_add_char(b, (char)toupper((unsigned char)row->help[0]));
	man_text(b, row->help + 1);
	buf_add_text(b, ".\n");
	buf_init(&facts, 0);
	add_facts(&facts, row);
	buf_add_char(&facts, 0);
	if (facts.rc == RC_OK)
		man_text(b, facts.p);
	else
		b->rc = facts.rc;
	buf_fini(&facts);
	buf_add_char(b, '\n');
}

void
options_add_man(struct buf *b)
{
	each_row(b, man_group, man_row);
	buf_add_text(b, ".El\n");
}

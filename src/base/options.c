/* Where options come from: defaults, a file's text, the environment, the
   command line.  What a value means: options_value.c. */
#include "base/options_table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define ENV_HEAD "COMETLOG_"
#define NAME_BYTES 32  /* longer than any option's name */
#define SHOWN_BYTES 60 /* of the operator's text, in an error */

const struct option_row options_table[OPTIONS_N] = {
#define GROUP(title)
#define X(type, field, kind, name, unit, def, least, most, help) \
	{name, unit, def, help, OPTION_##kind, \
	    offsetof(struct options, field), sizeof(type), least, most},
#include "base/options.def"
#undef X
#undef GROUP
};

/* Where a value stands, for the order of strength and for the error text. */
struct place {
	enum option_source source;
	const char *file;
	unsigned line;
};

static int
shown(struct slice s)
{
	return (int)(s.n < SHOWN_BYTES ? s.n : SHOWN_BYTES);
}

static void
tell_place(const struct place *p, char text[static 128])
{
	switch (p->source) {
	case OPTIONS_DEFAULT:
		snprintf(text, 128, "default");
		return;
	case OPTIONS_SHIPPED:
	case OPTIONS_FILE:
		snprintf(text, 128, "%.100s:%u", p->file, p->line);
		return;
	case OPTIONS_ENVIRONMENT:
		snprintf(text, 128, "environment");
		return;
	case OPTIONS_COMMAND_LINE:
		snprintf(text, 128, "command line");
		return;
	}
}

/* An option's name as it is spelled in that place. */
static void
spell(const struct place *p, struct slice name, char text[static 128])
{
	char *c;

	snprintf(text, 128, "%s%.*s",
	    p->source == OPTIONS_ENVIRONMENT        ? ENV_HEAD
	        : p->source == OPTIONS_COMMAND_LINE ? "--"
	                                            : "",
	    shown(name), name.p);
	if (p->source == OPTIONS_ENVIRONMENT)
		for (c = text; *c != 0; c++)
			*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static enum rc
wrong(const struct place *p, struct slice name, struct err *e, const char *what)
{
	char where[128], spelled[128];

	tell_place(p, where);
	spell(p, name, spelled);
	return err_set(e, RC_CONFIG, "%s: %s %s", where, spelled, what);
}

static const struct option_row *
find(struct slice name)
{
	const struct option_row *row;

	for (row = options_table; row < options_table + OPTIONS_N; row++)
		if (slice_is(slice_of(row->name), name))
			return row;
	return NULL;
}

/* How many letters must be changed, added or left out (Levenshtein). */
static size_t
distance(struct slice a, const char *b)
{
	size_t cost[NAME_BYTES + 1], n = strlen(b), i, j, before, above;

	for (j = 0; j <= n; j++)
		cost[j] = j;
	for (i = 1; i <= a.n; i++) {
		before = cost[0];
		cost[0] = i;
		for (j = 1; j <= n; j++) {
			above = cost[j];
			cost[j] = before + (a.p[i - 1] != b[j - 1]);
			if (cost[j] > above + 1)
				cost[j] = above + 1;
			if (cost[j] > cost[j - 1] + 1)
				cost[j] = cost[j - 1] + 1;
			before = above;
		}
	}
	return cost[n];
}

/* The option that was probably meant, or NULL. */
static const struct option_row *
nearest(struct slice name)
{
	const struct option_row *row, *best = NULL;
	size_t least = name.n < 6 ? 2 : 4, d;

	for (row = options_table; row < options_table + OPTIONS_N; row++) {
		d = distance(name, row->name);
		if (d < least) {
			least = d;
			best = row;
		}
	}
	for (row = options_table;
	     best == NULL && row < options_table + OPTIONS_N; row++)
		if (name.n >= 3 && slice_starts(slice_of(row->name), name))
			best = row;
	return best;
}

static enum rc
unknown(const struct place *p, struct slice name, struct err *e)
{
	const struct option_row *near;
	char what[160], meant[128], plain[NAME_BYTES];
	size_t i;

	for (i = 0; i < name.n && i < sizeof plain; i++)
		plain[i] = name.p[i] == '_'
		    ? '-'
		    : (char)tolower((unsigned char)name.p[i]);
	near = i == name.n ? nearest((struct slice){plain, i}) : NULL;
	if (near == NULL)
		return wrong(p, name, e, "is not an option; see --help");
	spell(p, slice_of(near->name), meant);
	snprintf(what, sizeof what, "is not an option; is %s meant?", meant);
	return wrong(p, name, e, what);
}

/* One value, unless a stronger source has spoken; then it is only checked. */
static enum rc
set_one(struct options *o, const struct place *p, const struct option_row *row,
    struct slice value, struct err *e)
{
	unsigned char *source = &o->source[row - options_table];
	struct options probe = {0};
	struct err why;
	char where[128], name[128];
	enum rc rc;

	if (p->source < *source) {
		rc = option_set(&probe, row, value, &why);
		option_clear(&probe, row);
	} else {
		if (option_is_list(row) && (p->source > *source || !value.n))
			option_clear(o, row);
		*source = (unsigned char)p->source;
		rc = option_set(o, row, value, &why);
	}
	if (rc == RC_OK)
		return RC_OK;
	tell_place(p, where);
	spell(p, slice_of(row->name), name);
	return err_set(e, rc, "%s: %s \"%.*s\" %s%s", where, name, shown(value),
	    value.p, row->kind == OPTION_RETAIN ? "is wrong: " : "", why.text);
}

/* A value that may hold several entries of a list. */
static enum rc
set_many(struct options *o, const struct place *p, const struct option_row *row,
    struct slice value, struct err *e)
{
	struct slice entry, rest = value;
	bool is_list = option_is_list(row);
	enum rc rc = set_one(o, p, row, is_list ? SLICE("") : value, e);

	while (rc == RC_OK && is_list && rest.n > 0) {
		entry = option_trim(option_word(&rest, ";"));
		if (entry.n > 0)
			rc = set_one(o, p, row, entry, e);
	}
	return rc;
}

enum rc
options_init(struct options *o, struct err *e)
{
	const struct place p = {.source = OPTIONS_DEFAULT};
	const struct option_row *row;
	enum rc rc;

	*o = (struct options){.ask = OPTIONS_RUN};
	for (row = options_table; row < options_table + OPTIONS_N; row++) {
		if (row->def == NULL)
			continue;
		rc = set_one(o, &p, row, slice_of(row->def), e);
		if (rc != RC_OK) {
			options_fini(o);
			return rc;
		}
	}
	return RC_OK;
}

void
options_fini(struct options *o)
{
	const struct option_row *row;

	for (row = options_table; row < options_table + OPTIONS_N; row++)
		option_clear(o, row);
	*o = (struct options){.ask = OPTIONS_RUN};
}

/* What follows '#' at the start or after white space, outside quotes. */
static struct slice
without_comment(struct slice line)
{
	bool in_quotes = false;
	size_t i;

	for (i = 0; i < line.n; i++) {
		if (line.p[i] == '"')
			in_quotes = !in_quotes;
		else if (line.p[i] == '#' && !in_quotes &&
		    (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
			break;
	}
	return (struct slice){line.p, i};
}

/* Names of files are meant from the folder of the file they stand in. */
static enum rc
set_in_file(struct options *o, const struct place *p,
    const struct option_row *row, struct slice value, struct err *e)
{
	const char *slash = strrchr(p->file, '/');
	struct buf b;
	enum rc rc;

	if (row->kind != OPTION_PATH || value.n == 0 || value.p[0] == '/' ||
	    slash == NULL)
		return set_one(o, p, row, value, e);
	buf_init(&b, 0);
	buf_add(&b, p->file, (size_t)(slash - p->file) + 1);
	buf_add_slice(&b, value);
	rc = b.rc == RC_OK ? set_one(o, p, row, buf_slice(&b), e)
	                   : err_set(e, RC_NOMEM, "no memory for options");
	buf_fini(&b);
	return rc;
}

static enum rc
parse_line(
    struct options *o, const struct place *p, struct slice line, struct err *e)
{
	struct slice value = option_trim(without_comment(line)), name;
	const struct option_row *row;

	if (value.n == 0)
		return RC_OK;
	if (memchr(value.p, '=', value.n) == NULL)
		return err_set(e, RC_CONFIG,
		    "%.100s:%u: \"%.*s\" is not of the form name = value",
		    p->file, p->line, shown(value), value.p);
	name = option_trim(option_word(&value, "="));
	row = find(name);
	if (row == NULL)
		return unknown(p, name, e);
	if (row == &options_table[OPTION_AT_config])
		return wrong(p, name, e, "can't be set in a file");
	value = option_trim(value);
	if (value.n > 0 && value.p[0] == '"') {
		if (value.n < 2 ||
		    memchr(value.p + 1, '"', value.n - 1) !=
		        value.p + value.n - 1)
			return wrong(p, name, e,
			    "must have one pair of quotes around its value");
		value = (struct slice){value.p + 1, value.n - 2};
	}
	return set_in_file(o, p, row, value, e);
}

enum rc
options_parse_text(struct options *o, enum option_source source,
    const char *name, struct slice text, struct err *e)
{
	struct place p = {.source = source, .file = name};
	enum rc rc = RC_OK;

	if (slice_starts(text, SLICE("\xef\xbb\xbf")))
		text = slice_after(text, 3); /* some editors' mark of UTF-8 */
	while (rc == RC_OK && text.n > 0) {
		p.line++;
		rc = parse_line(o, &p, option_word(&text, "\n"), e);
	}
	return rc;
}

/* MESSAGE_BYTES for message-bytes. */
static const struct option_row *
find_env(struct slice name)
{
	char plain[NAME_BYTES];
	size_t i;

	if (name.n > sizeof plain)
		return NULL;
	for (i = 0; i < name.n; i++) {
		if (name.p[i] != '_' && !isupper((unsigned char)name.p[i]))
			return NULL;
		plain[i] = name.p[i] == '_'
		    ? '-'
		    : (char)tolower((unsigned char)name.p[i]);
	}
	return find((struct slice){plain, i});
}

enum rc
options_parse_env(struct options *o, char *const *env, struct err *e)
{
	const struct place p = {.source = OPTIONS_ENVIRONMENT};
	const struct option_row *row;
	struct slice name, value;
	enum rc rc;

	for (; *env != NULL; env++) {
		value = slice_of(*env);
		if (!slice_starts(value, SLICE(ENV_HEAD)))
			continue;
		value = slice_after(value, sizeof ENV_HEAD - 1);
		name = option_word(&value, "=");
		row = find_env(name);
		rc = row == NULL ? unknown(&p, name, e)
		                 : set_many(o, &p, row, value, e);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* True for the arguments that ask for a text instead of serving. */
static bool
asks(struct options *o, const char *arg)
{
	if (strcmp(arg, "--help") == 0)
		o->ask = OPTIONS_HELP;
	else if (strcmp(arg, "--version") == 0)
		o->ask = OPTIONS_VERSION;
	else if (strcmp(arg, "--help-man") == 0)
		o->ask = OPTIONS_HELP_MAN;
	return o->ask != OPTIONS_RUN;
}

enum rc
options_parse_args(
    struct options *o, int argc, char *const *argv, struct err *e)
{
	const struct place p = {.source = OPTIONS_COMMAND_LINE};
	const struct option_row *row;
	struct slice name, value;
	enum rc rc;
	int i;

	for (i = 1; i < argc && !asks(o, argv[i]); i++) {
		value = slice_of(argv[i]);
		if (!slice_starts(value, SLICE("--")))
			return err_set(e, RC_CONFIG,
			    "command line: \"%.*s\" is not of the form --name "
			    "value",
			    shown(value), value.p);
		value = slice_after(value, 2);
		name = option_word(&value, "=");
		row = find(name);
		if (row == NULL)
			return unknown(&p, name, e);
		if (strchr(argv[i], '=') == NULL) {
			if (i + 1 == argc)
				return wrong(&p, name, e, "lacks its value");
			value = slice_of(argv[++i]);
		}
		rc = set_one(o, &p, row, value, e);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc
options_check(const struct options *o, struct err *e)
{
	if (o->log == NULL)
		return err_set(e, RC_CONFIG,
		    "where is the message log? Set --log FILE, COMETLOG_LOG, "
		    "or \"log = FILE\" in the file of --config");
	return RC_OK;
}

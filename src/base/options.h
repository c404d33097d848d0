/*
 * Options: what the operator chooses, checked before anything starts.  The
 * table is options.def; this reads values from text that the caller brings
 * (no I/O here) and writes the table down for --help and the man page.
 *
 * Sources by strength: defaults < shipped file < file < environment < command
 * line.  A weaker source never replaces what a stronger one said, in whatever
 * order they are read; within one source the later value wins.  A list (retain,
 * allow-origin) grows within one source; a stronger source's list replaces the
 * weaker's.  An empty value means none: no path, an empty list.
 *
 * Values: bytes take K, M, G (or KiB, MiB, GiB); times take ms, s, m, h, d.
 *
 * Every failure is RC_CONFIG with a text that says which option, where
 * ("cometlog.conf:3", "environment COMETLOG_RETRY", "command line"), and what
 * would be right; or RC_NOMEM.
 */
#ifndef COMETLOG_BASE_OPTIONS_H
#define COMETLOG_BASE_OPTIONS_H

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum options_durability { OPTIONS_STRICT, OPTIONS_FULL, OPTIONS_NORMAL };
enum options_journal { OPTIONS_WAL, OPTIONS_ROLLBACK, OPTIONS_AUTO };
enum options_switch { OPTIONS_OFF, OPTIONS_ON };
enum options_bayeux_publish {
	OPTIONS_BAYEUX_OFF,
	OPTIONS_BAYEUX_POST,
	OPTIONS_BAYEUX_ON,
};

/* How long the channels that a pattern covers are kept; 0: no bound. */
struct retain_rule {
	struct slice pattern; /* checked; NUL-terminated; the list's */
	uint64_t age_ms, messages, bytes;
};

struct retain_list {
	struct retain_rule *item;
	size_t n;
};

struct text_list {
	char **item;
	size_t n;
};

enum option_kind {
	OPTION_PATH,   /* a file or folder name, or NULL */
	OPTION_SOCKET, /* a path or NUMERIC-ADDRESS:PORT, or NULL */
	OPTION_CHOICE, /* one of some words; the field is their enum */
	OPTION_COUNT,
	OPTION_OCTAL,
	OPTION_BYTES,
	OPTION_MS,
	OPTION_SECONDS,
	OPTION_RETAIN, /* struct retain_list */
	OPTION_ORIGIN, /* struct text_list */
};

enum option_source {
	OPTIONS_DEFAULT,
	OPTIONS_SHIPPED, /* a file that comes with the program */
	OPTIONS_FILE,
	OPTIONS_ENVIRONMENT,
	OPTIONS_COMMAND_LINE,
};

/* One index for each option: OPTION_AT_message_bytes and so on. */
enum option_at {
#define GROUP(title)
#define X(type, field, kind, name, unit, def, least, most, help) \
	OPTION_AT_##field,
#include "base/options.def"
#undef X
#undef GROUP
	OPTIONS_N
};

/* What the command line asks for instead of serving. */
enum options_ask {
	OPTIONS_RUN,
	OPTIONS_HELP,     /* --help: options_add_help */
	OPTIONS_VERSION,  /* --version */
	OPTIONS_HELP_MAN, /* --help-man: options_add_man */
};

/* The fields are those of options.def, by its second column: o.log,
   o.message_bytes, o.max_hold_ms, o.retain.item[0] ... */
struct options {
#define GROUP(title)
#define X(type, field, kind, name, unit, def, least, most, help) type field;
#include "base/options.def"
#undef X
#undef GROUP
	enum options_ask ask;
	unsigned char source[OPTIONS_N]; /* enum option_source of each */
};

/* Sets the defaults.  RC_NOMEM: *o is empty; options_fini may be called. */
enum rc options_init(struct options *o, struct err *e) MUST_CHECK;

/* Frees everything o owns; o is all zero after it. */
void options_fini(struct options *o);

/* The text of a configuration file: lines "name = value"; '#' begins a comment
   at the start of a line or after white space; values may stand in double
   quotes.  source: OPTIONS_SHIPPED or OPTIONS_FILE.  name: the file's, for the
   error text, and its folder is the one that relative names of files are meant
   from. */
enum rc options_parse_text(struct options *o, enum option_source source,
    const char *name, struct slice text, struct err *e) MUST_CHECK;

/* A NULL-ended environment.  COMETLOG_MESSAGE_BYTES is message-bytes; a list's
   entries stand between ';'.  An unknown COMETLOG_ name is RC_CONFIG. */
enum rc options_parse_env(
    struct options *o, char *const *env, struct err *e) MUST_CHECK;

/*
 * The command line: "--name value" or "--name=value".  argv[0] is skipped.
 * --help, --version and --help-man set o->ask and end the reading.  Never give
 * it the arguments of a CGI program: they may be made from the query (RFC 3875
 * section 4.4), so from a stranger.
 */
enum rc options_parse_args(
    struct options *o, int argc, char *const *argv, struct err *e) MUST_CHECK;

/* After all sources: what is required is there. */
enum rc options_check(const struct options *o, struct err *e) MUST_CHECK;

/* The text of --help, at most 80 columns wide. */
void options_add_help(struct buf *b, const char *program);

/* The table as mdoc source, for the place after ".Sh OPTIONS".  b is empty. */
void options_add_man(struct buf *b);

#endif

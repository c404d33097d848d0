/*
 * cometlog, the program for the command line: what its commands share.  A
 * command has words of its own (--since), may be given any option of the table
 * (--log, --config ...), and takes names behind them.
 */
#ifndef COMETLOG_PROG_CLI_H
#define COMETLOG_PROG_CLI_H

#include "base/options.h"
#include "log/log.h"

/* The exit statuses that are the same for all commands. */
#define CLI_WRONG_USE 2

#define CLI_NAMES_MAX 64

/* One of a command's own words, which stand before those of the table. */
struct cli_word {
	const char *name;   /* "--since" */
	const char **value; /* where the value goes; NULL: it is a switch */
	bool *is_on;        /* set for a switch */
};

struct cli {
	const char *name[CLI_NAMES_MAX]; /* what isn't an
	                                    option, in order */
	size_t n_names;
	struct options options;
};

/*
 * Reads the arguments behind the command's name; "--" ends the options, and "-"
 * is a name.  With has_log the table is loaded too (options_fini is the
 * caller's, also after a failure), as settings_load does; without it an option
 * of the table is wrong.  RC_BAD: wrong use; RC_CONFIG; RC_NOMEM.
 */
enum rc cli_parse(struct cli *c, int argc, char **argv,
    const struct cli_word *word, size_t n_words, bool has_log,
    struct err *e) MUST_CHECK;

/*
 * Opens the log of the options as a guest: with the journal that it has (unless
 * the options say one), and its own limits; nothing is deleted from it.
 * must_exist: RC_MISSING where there is none; else it is made.
 * Errors as log_open's.
 */
enum rc cli_open_log(const struct options *o, bool must_exist, struct log **l,
    struct err *e) MUST_CHECK;

/* The commands: argv[0] is the command's name; the exit status. */
int cli_publish(int argc, char **argv);
int cli_read(int argc, char **argv);
int cli_doctor(int argc, char **argv);

/* Says what went wrong on standard error; the exit status for rc. */
int cli_fail(const char *command, enum rc rc, const char *text);

#endif

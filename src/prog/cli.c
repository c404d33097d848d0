#include "prog/cli.h"

#include "hub/store.h"
#include "prog/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct cli_word *
find_word(const struct cli_word *word, size_t n, const char *arg, size_t length)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strlen(word[i].name) == length &&
		    strncmp(word[i].name, arg, length) == 0)
			return &word[i];
	return NULL;
}

/* Takes arg, "--name" or "--name=value", and its value from argv[*i + 1]. */
static enum rc
take_word(const struct cli_word *w, const char *arg, size_t length, int argc,
    char **argv, int *i, struct err *e)
{
	if (w->value == NULL) {
		if (arg[length] == '=')
			return err_set(e, RC_BAD, "%s takes no value", w->name);
		*w->is_on = true;
	} else if (arg[length] == '=') {
		*w->value = arg + length + 1;
	} else if (*i + 1 < argc) {
		*w->value = argv[++*i];
	} else {
		return err_set(e, RC_BAD, "%s needs a value", w->name);
	}
	return RC_OK;
}

/* Sorts the arguments: words of the command, names, and into table[] what is
   left for settings_load. */
static enum rc
sort(struct cli *c, int argc, char **argv, const struct cli_word *word,
    size_t n_words, char **table, int *n_table, struct err *e)
{
	const struct cli_word *w;
	bool is_name = false;
	enum rc rc;
	size_t n;
	int i;

	for (i = 1; i < argc; i++) {
		n = strcspn(argv[i], "=");
		if (!is_name && strcmp(argv[i], "--") == 0) {
			is_name = true;
		} else if (is_name || argv[i][0] != '-' || argv[i][1] == 0) {
			if (c->n_names == CLI_NAMES_MAX)
				return err_set(e, RC_BAD, "that is too much");
			c->name[c->n_names++] = argv[i];
		} else if ((w = find_word(word, n_words, argv[i], n)) != NULL) {
			if ((rc = take_word(w, argv[i], n, argc, argv, &i, e)))
				return rc;
		} else {
			table[(*n_table)++] = argv[i];
			if (argv[i][n] == 0 && i + 1 < argc)
				table[(*n_table)++] = argv[++i];
		}
	}
	return RC_OK;
}

enum rc
cli_parse(struct cli *c, int argc, char **argv, const struct cli_word *word,
    size_t n_words, bool has_log, struct err *e)
{
	char **table = calloc((size_t)argc + 1, sizeof *table);
	int n_table = 1;
	enum rc rc;

	memset(c, 0, sizeof *c);
	if (table == NULL)
		return err_set(e, RC_NOMEM, "no memory for the arguments");
	table[0] = argv[0];
	rc = sort(c, argc, argv, word, n_words, table, &n_table, e);
	if (rc == RC_OK && has_log)
		rc = settings_load(&c->options, n_table, table, environ, e);
	else if (rc == RC_OK && n_table > 1)
		rc = err_set(e, RC_BAD, "%s is no option here", table[1]);
	if (rc == RC_OK && has_log && c->options.ask != OPTIONS_RUN)
		rc = err_set(e, RC_BAD, "%s is no option here", table[1]);
	free(table);
	return rc;
}

static enum log_journal
journal_of(const struct options *o)
{
	if (o->source[OPTION_AT_journal] == OPTIONS_DEFAULT)
		return LOG_AUTO;
	return o->journal == OPTIONS_AUTO ? LOG_AUTO
	    : o->journal == OPTIONS_WAL   ? LOG_WAL
	                                  : LOG_ROLLBACK;
}

enum rc
cli_open_log(
    const struct options *o, bool must_exist, struct log **l, struct err *e)
{
	struct log_options lo = {
	    .path = o->log,
	    .durability = store_durability(o),
	    .journal = journal_of(o),
	    .busy_ms = o->busy_wait_ms,
	    .dedupe_ms = (uint64_t)o->dedupe_window_s * 1000,
	    .message_bytes = o->message_bytes,
	    .retain_step = o->retain_step,
	    .is_guest = true,
	};

	*l = NULL;
	if (must_exist && access(o->log, F_OK) != 0)
		return err_set(
		    e, RC_MISSING, "%s: %s", o->log, strerror(errno));
	return log_open(l, &lo, e);
}

int
cli_fail(const char *command, enum rc rc, const char *text)
{
	fprintf(stderr, "cometlog %s: %s\n", command, text);
	if (rc == RC_BAD)
		fprintf(stderr, "cometlog --help tells how.\n");
	return rc == RC_BAD ? CLI_WRONG_USE : EXIT_FAILURE;
}

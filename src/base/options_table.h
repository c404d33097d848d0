/*
 * The options table as data, and how one value of it is read.  Shared by the
 * files options*.c alone; everybody else includes base/options.h.
 */
#ifndef COMETLOG_BASE_OPTIONS_TABLE_H
#define COMETLOG_BASE_OPTIONS_TABLE_H

#include "base/options.h"

struct option_row {
	const char *name, *unit, *def, *help;
	enum option_kind kind;
	size_t offset, size; /* of the field in struct options */
	uint64_t least, most;
};

extern const struct option_row options_table[OPTIONS_N];

/* True for the kinds whose values add up. */
bool option_is_list(const struct option_row *row);

/* Reads one value (of a list: one entry) into its field of o.  RC_CONFIG: e
   tells what would be right, without name and place; the field is as before. */
enum rc option_set(struct options *o, const struct option_row *row,
    struct slice value, struct err *e) MUST_CHECK;

/* Frees what the field owns and empties it. */
void option_clear(struct options *o, const struct option_row *row);

/* "1 to 16M bytes", "full or normal": nothing for paths and lists. */
void option_add_range(struct buf *b, const struct option_row *row);

/* Their parts for lists: one entry more; RC_CONFIG and RC_NOMEM leave the list
   as it was. */
enum rc option_add_rule(
    struct retain_list *list, struct slice value, struct err *e) MUST_CHECK;
enum rc option_add_origin(
    struct text_list *list, struct slice value, struct err *e) MUST_CHECK;
void option_clear_rules(struct retain_list *list);
void option_clear_texts(struct text_list *list);

/* s as a string of its own, or NULL: no memory.  Caller frees with free(). */
char *option_copy(struct slice s);

/* s without white space at both ends. */
struct slice option_trim(struct slice s);

/* The first word of *rest up to one of the separators, which is dropped. */
struct slice option_word(struct slice *rest, const char *separators);

#endif

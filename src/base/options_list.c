/* The entries of the lists among the options: retain rules and origins. */
#include "base/options_table.h"
#include "base/channel.h"
#include "base/quantity.h"

#include <stdlib.h>

char *
option_copy(struct slice s)
{
	char *copy = malloc(s.n + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	return copy;
}

/* What a rule bounds, and how such a bound is written. */
static const struct bound {
	const char *name, *right;
	size_t offset;
} bounds[] = {
    {"age", "a time with its unit: s, m, h or d",
        offsetof(struct retain_rule, age_ms)},
    {"messages", "a whole number", offsetof(struct retain_rule, messages)},
    {"bytes", "a size such as 65536, 64K or 1G",
        offsetof(struct retain_rule, bytes)},
};
#define BOUNDS_N (sizeof bounds / sizeof *bounds)

/* At least 1, and what SQLite's integers can hold. */
static bool
read_quantity(const struct bound *bound, struct slice s, uint64_t *v)
{
	bool ok = false;

	if (bound->name[0] == 'a')
		ok = quantity_ms(s, 0, v);
	else if (bound->name[0] == 'm')
		ok = quantity_uint(s, v);
	else
		ok = quantity_bytes(s, v);
	return ok && *v >= 1 && *v <= INT64_MAX;
}

/* "age=30d", "messages=1000000" or "bytes=1G". */
static enum rc
read_bound(struct retain_rule *rule, struct slice word, struct err *e)
{
	struct slice value = word, name = option_word(&value, "=");
	int shown = (int)(word.n > 40 ? 40 : word.n);
	uint64_t v;
	size_t i;

	for (i = 0; i < BOUNDS_N; i++)
		if (slice_is(name, slice_of(bounds[i].name)))
			break;
	if (i == BOUNDS_N)
		return err_set(e, RC_CONFIG,
		    "\"%.*s\" is none of age=30d, messages=1000000, bytes=1G",
		    shown, word.p);
	if (!read_quantity(&bounds[i], value, &v))
		return err_set(e, RC_CONFIG,
		    "\"%.*s\" must be %s; at least 1, or left out for no bound",
		    shown, word.p, bounds[i].right);
	memcpy((char *)rule + bounds[i].offset, &v, sizeof v);
	return RC_OK;
}

static enum rc
read_rule(struct retain_rule *rule, struct slice value, struct err *e)
{
	struct slice word, rest = value;
	struct err why;
	enum rc rc;

	*rule = (struct retain_rule){.pattern = option_word(&rest, " \t")};
	rule->pattern = channel_trim(rule->pattern);
	if (pattern_check(rule->pattern, &why) != RC_OK)
		return err_set(e, RC_CONFIG, "%s", why.text);
	while (rest.n > 0) {
		word = option_word(&rest, " \t");
		if (word.n == 0)
			continue;
		rc = read_bound(rule, word, e);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc
option_add_rule(struct retain_list *list, struct slice value, struct err *e)
{
	struct retain_rule rule, *item;
	char *pattern;
	enum rc rc = read_rule(&rule, value, e);

	if (rc != RC_OK)
		return rc;
	pattern = option_copy(rule.pattern);
	item = pattern == NULL
	    ? NULL
	    : realloc(list->item, (list->n + 1) * sizeof *item);
	if (item == NULL) {
		free(pattern);
		return err_set(e, RC_NOMEM, "no memory");
	}
	rule.pattern.p = pattern;
	item[list->n++] = rule;
	list->item = item;
	return RC_OK;
}

/* As browsers send it (RFC 6454 section 6.2): scheme, host, perhaps a port. */
static bool
is_origin(struct slice s)
{
	const char *p = memmem(s.p, s.n, "://", 3);
	size_t i;

	if (slice_is(s, SLICE("*")))
		return true;
	if (p == NULL || p == s.p || p + 3 == s.p + s.n)
		return false;
	for (i = 0; i < s.n; i++)
		if ((s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] <= ' ' ||
		    s.p[i] > '~' || strchr("\"<>\\^`{|}?#,@*", s.p[i]) != NULL)
			return false;
	return memchr(p + 3, '/', s.n - (size_t)(p + 3 - s.p)) == NULL;
}

enum rc
option_add_origin(struct text_list *list, struct slice value, struct err *e)
{
	char **item, *copy;

	if (!is_origin(value))
		return err_set(e, RC_CONFIG,
		    "must be \"*\" or an origin in lower case without a "
		    "path, such as https://www.example.org");
	copy = option_copy(value);
	item = copy == NULL ? NULL
	                    : realloc(list->item, (list->n + 1) * sizeof *item);
	if (item == NULL) {
		free(copy);
		return err_set(e, RC_NOMEM, "no memory");
	}
	item[list->n++] = copy;
	list->item = item;
	return RC_OK;
}

void
option_clear_rules(struct retain_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		free((char *)(uintptr_t)list->item[i].pattern.p);
	free(list->item);
	*list = (struct retain_list){NULL, 0};
}

void
option_clear_texts(struct text_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		free(list->item[i]);
	free(list->item);
	*list = (struct text_list){NULL, 0};
}

#include "base/channel.h"

#include "base/utf8.h"

#include <stdlib.h>

struct slice
channel_trim(struct slice name)
{
	return name.n > 0 && name.p[0] == '/' ? slice_after(name, 1) : name;
}

/* What channels and patterns have in common; kind names it in the text. */
static enum rc
name_check(struct slice name, const char *kind, struct err *e)
{
	size_t at;

	if (name.n == 0)
		return err_set(e, RC_BAD, "the %s is empty: give 1 to %d bytes",
		    kind, CHANNEL_MAX_BYTES);
	if (name.n > CHANNEL_MAX_BYTES)
		return err_set(e, RC_BAD,
		    "the %s has %zu bytes: at most %d are allowed", kind,
		    name.n, CHANNEL_MAX_BYTES);
	if (name.p[0] == '/')
		return err_set(
		    e, RC_BAD, "the %s begins with '/': leave it out", kind);
	at = utf8_valid(name);
	if (at < name.n)
		return err_set(e, RC_BAD,
		    "the %s is not valid UTF-8 at byte %zu", kind, at);
	at = utf8_before_control(name);
	if (at < name.n)
		return err_set(e, RC_BAD,
		    "the %s has a control character at byte %zu", kind, at);
	return RC_OK;
}

enum rc
channel_check(struct slice name, struct err *e)
{
	enum rc rc = name_check(name, "channel", e);
	const char *star;

	if (rc != RC_OK)
		return rc;
	star = memchr(name.p, '*', name.n);
	if (star != NULL)
		return err_set(e, RC_BAD,
		    "the channel has a '*' at byte %td: only patterns of"
		    " subscriptions may",
		    star - name.p);
	return RC_OK;
}

/* The bytes up to the next '/' or the end. */
static struct slice
first_segment(struct slice name)
{
	const char *slash = memchr(name.p, '/', name.n);

	if (slash != NULL)
		name.n = (size_t)(slash - name.p);
	return name;
}

enum rc
pattern_check(struct slice pattern, struct err *e)
{
	enum rc rc = name_check(pattern, "pattern", e);
	struct slice rest = pattern, segment;
	size_t at;

	if (rc != RC_OK)
		return rc;
	for (;;) {
		segment = first_segment(rest);
		at = (size_t)(segment.p - pattern.p);
		if (slice_is(segment, SLICE("**")) && segment.n < rest.n)
			return err_set(e, RC_BAD,
			    "the pattern has \"**\" at byte %zu: it may only"
			    " be the last segment",
			    at);
		if (memchr(segment.p, '*', segment.n) != NULL &&
		    !slice_is(segment, SLICE("*")) &&
		    !slice_is(segment, SLICE("**")))
			return err_set(e, RC_BAD,
			    "the pattern mixes '*' with other characters in"
			    " the segment at byte %zu: a wildcard is a whole"
			    " segment",
			    at);
		if (segment.n == rest.n)
			return RC_OK;
		rest = slice_after(rest, segment.n + 1);
	}
}

bool
pattern_is_exact(struct slice pattern)
{
	return pattern.n == 0 || memchr(pattern.p, '*', pattern.n) == NULL;
}

bool
pattern_matches(struct slice pattern, struct slice channel)
{
	struct slice want, have;
	bool is_last;

	if (pattern_is_exact(pattern))
		return slice_is(pattern, channel);
	if (channel.n == 0 || channel.p[0] == '$')
		return false;
	for (;;) {
		want = first_segment(pattern);
		have = first_segment(channel);
		if (slice_is(want, SLICE("**")))
			return true;
		if (!slice_is(want, SLICE("*")) && !slice_is(want, have))
			return false;
		is_last = want.n == pattern.n;
		if (is_last || have.n == channel.n)
			return is_last && have.n == channel.n;
		pattern = slice_after(pattern, want.n + 1);
		channel = slice_after(channel, have.n + 1);
	}
}

static bool
set_holds(const struct pattern_set *set, struct slice pattern)
{
	for (size_t i = 0; i < set->n; i++)
		if (slice_is(set->item[i], pattern))
			return true;
	return false;
}

/* Memory for n patterns of so many bytes. */
static enum rc
make_room(struct pattern_set *set, size_t bytes, size_t n, struct err *e)
{
	set->text = malloc(bytes);
	set->item = calloc(n, sizeof *set->item);
	if (set->text != NULL && set->item != NULL)
		return RC_OK;
	pattern_set_fini(set);
	return err_set(e, RC_NOMEM, "no memory for %zu patterns", n);
}

static size_t
put(struct pattern_set *set, size_t at, struct slice s)
{
	memcpy(set->text + at, s.p, s.n);
	set->item[set->n++] = (struct slice){set->text + at, s.n};
	return at + s.n;
}

enum rc
pattern_set_init(struct pattern_set *set, const struct slice *pattern, size_t n,
    struct err *e)
{
	size_t bytes = 0, at = 0;
	struct slice s;
	enum rc rc;

	*set = (struct pattern_set){0};
	for (size_t i = 0; i < n; i++) {
		s = channel_trim(pattern[i]);
		rc = pattern_check(s, e);
		if (rc != RC_OK)
			return rc;
		bytes += s.n;
	}
	if (n == 0)
		return RC_OK;
	rc = make_room(set, bytes, n, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		s = channel_trim(pattern[i]);
		if (!set_holds(set, s))
			at = put(set, at, s);
	}
	return rc;
}

enum rc
pattern_set_copy(struct pattern_set *set, const struct slice *pattern, size_t n,
    struct err *e)
{
	size_t bytes = 0, at = 0;
	enum rc rc;

	*set = (struct pattern_set){0};
	for (size_t i = 0; i < n; i++)
		bytes += pattern[i].n;
	if (n == 0)
		return RC_OK;
	rc = make_room(set, bytes, n, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		at = put(set, at, pattern[i]);
	return rc;
}

void
pattern_set_fini(struct pattern_set *set)
{
	free(set->text);
	free(set->item);
	*set = (struct pattern_set){0};
}

bool
pattern_set_matches(const struct pattern_set *set, struct slice channel)
{
	for (size_t i = 0; i < set->n; i++)
		if (pattern_matches(set->item[i], channel))
			return true;
	return false;
}

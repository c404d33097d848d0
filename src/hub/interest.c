#include "hub/interest.h"

#include <stdlib.h>

void
interest_fini(struct interest *in)
{
	pattern_set_fini(&in->what);
	free(in->span);
	*in = (struct interest){0};
}

static struct span
span_of(const struct interest *in, size_t i)
{
	return in->span == NULL ? (struct span){in->base, in->base}
	                        : in->span[i];
}

static void
set_mixed(struct interest *in)
{
	size_t i;

	in->mixed_until = 0;
	for (i = 0; i < in->what.n; i++)
		if (span_of(in, i).from > in->mixed_until)
			in->mixed_until = span_of(in, i).from;
}

/* *to: the n patterns with the spans, which are copied. */
static enum rc
make(struct interest *to, const struct slice *pattern, const struct span *span,
    size_t n, struct err *e)
{
	enum rc rc;

	*to = (struct interest){0};
	if ((rc = pattern_set_copy(&to->what, pattern, n, e)) != RC_OK)
		return rc;
	to->span = malloc((n + 1) * sizeof *span);
	if (to->span == NULL) {
		interest_fini(to);
		return err_set(e, RC_NOMEM, "no memory for %zu patterns", n);
	}
	memcpy(to->span, span, n * sizeof *span);
	set_mixed(to);
	return RC_OK;
}

/* The patterns of in but one, and room for one more; freed with free. */
struct draft {
	struct slice *pattern;
	struct span *span;
	size_t n;
};

static enum rc
draft_without(struct draft *d, const struct interest *in, struct slice pattern,
    struct err *e)
{
	size_t i;

	d->n = 0;
	d->pattern = calloc(in->what.n + 1, sizeof *d->pattern);
	d->span = calloc(in->what.n + 1, sizeof *d->span);
	if (d->pattern == NULL || d->span == NULL)
		return err_set(
		    e, RC_NOMEM, "no memory for %zu patterns", in->what.n);
	for (i = 0; i < in->what.n; i++) {
		if (slice_is(in->what.item[i], pattern))
			continue;
		d->pattern[d->n] = in->what.item[i];
		d->span[d->n++] = span_of(in, i);
	}
	return RC_OK;
}

static void
draft_fini(struct draft *d)
{
	free(d->pattern);
	free(d->span);
}

enum rc
interest_copy(struct interest *to, const struct interest *from, struct err *e)
{
	return interest_without(to, from, SLICE(""), e);
}

enum rc
interest_with(struct interest *to, const struct interest *in,
    struct slice pattern, uint64_t after, uint64_t position, struct err *e)
{
	struct draft d;
	enum rc rc = draft_without(&d, in, pattern, e);
	size_t i;

	*to = (struct interest){0};
	if (rc == RC_OK) {
		for (i = 0; position != UINT64_MAX && i < d.n; i++)
			if (d.span[i].from < position)
				d.span[i].from = position;
		d.pattern[d.n] = pattern;
		d.span[d.n++] = (struct span){after, after};
		rc = make(to, d.pattern, d.span, d.n, e);
	}
	draft_fini(&d);
	return rc;
}

enum rc
interest_without(struct interest *to, const struct interest *in,
    struct slice pattern, struct err *e)
{
	struct draft d;
	enum rc rc = draft_without(&d, in, pattern, e);

	*to = (struct interest){0};
	if (rc == RC_OK)
		rc = make(to, d.pattern, d.span, d.n, e);
	draft_fini(&d);
	return rc;
}

bool
interest_wants(const struct interest *in, const struct message *m)
{
	bool is_due = false;
	struct span s;
	size_t i;

	if (m->seq > in->mixed_until)
		return pattern_set_matches(&in->what, m->channel);
	for (i = 0; i < in->what.n; i++) {
		if (!pattern_matches(in->what.item[i], m->channel))
			continue;
		s = span_of(in, i);
		if (m->seq > s.from)
			is_due = true;
		else if (m->seq > s.begin)
			return false;
	}
	return is_due;
}

void
interest_start_over(struct interest *in)
{
	free(in->span);
	in->span = NULL;
	in->base = in->mixed_until = 0;
}

size_t
interest_find(const struct interest *in, struct slice pattern)
{
	size_t i;

	for (i = 0; i < in->what.n; i++)
		if (slice_is(in->what.item[i], pattern))
			break;
	return i;
}

uint64_t
interest_from(const struct interest *in, struct slice pattern)
{
	size_t i = interest_find(in, pattern);

	return i < in->what.n ? span_of(in, i).from : 0;
}

uint64_t
interest_floor(const struct interest *in)
{
	uint64_t floor = UINT64_MAX;
	size_t i;

	for (i = 0; i < in->what.n; i++)
		if (span_of(in, i).from < floor)
			floor = span_of(in, i).from;
	return floor;
}

enum rc
interest_active(const struct interest *in, uint64_t after,
    struct pattern_set *active, uint64_t *until, struct err *e)
{
	struct slice *pattern = calloc(in->what.n + 1, sizeof *pattern);
	size_t n = 0, i;
	uint64_t from;
	enum rc rc;

	*until = UINT64_MAX;
	*active = (struct pattern_set){0};
	if (pattern == NULL)
		return err_set(e, RC_NOMEM, "no memory for patterns");
	for (i = 0; i < in->what.n; i++) {
		from = span_of(in, i).from;
		if (from <= after)
			pattern[n++] = in->what.item[i];
		else if (from < *until)
			*until = from;
	}
	rc = pattern_set_copy(active, pattern, n, e);
	free(pattern);
	return rc;
}

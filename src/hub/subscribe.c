/* What a held connection whose other side speaks can change:
   hub.h, hub_client. */
#include "hub/inside.h"

#include <stdlib.h>

void
hub_await_border(struct reader *r)
{
	r->wants_border = true;
}

uint64_t
hub_sent_ms(const struct reader *r)
{
	return r->sent_ms;
}

void
hub_pause(struct reader *r, bool is_paused)
{
	r->is_paused = is_paused;
	reader_watch(r, r->is_writing);
}

bool
hub_is_subscribed(const struct reader *r, struct slice pattern)
{
	return interest_find(&r->interest, pattern) < r->interest.what.n;
}

size_t
hub_subscriptions(const struct reader *r)
{
	return r->interest.what.n;
}

uint64_t
hub_position(const struct reader *r, uint32_t *epoch)
{
	*epoch = r->hub->epoch;
	return r->state == READER_LIVE ? r->hub->tip : r->after;
}

uint64_t
hub_position_of(const struct reader *r, struct slice pattern, uint32_t *epoch)
{
	uint64_t at = hub_position(r, epoch);
	uint64_t from = interest_from(&r->interest, pattern);

	return from > at ? from : at;
}

/* Goes over to another interest, which is taken. */
static enum rc
change(struct reader *r, struct interest *to, struct err *e)
{
	struct interest had = r->interest;

	reader_leave(r);
	r->interest = *to;
	if (reader_join(r) == RC_OK) {
		interest_fini(&had);
		return RC_OK;
	}
	interest_fini(&r->interest);
	r->interest = had;
	if (reader_join(r) != RC_OK)
		reader_close(r); /* no memory even for that: it
		                    resumes by its cursor */
	return err_set(e, RC_NOMEM, "no memory for another subscription");
}

/* Reads on from `after` instead of where it stands. */
static void
move_to(struct reader *r, uint64_t after)
{
	if (r->state == READER_PAGING)
		fetch_forget(r);
	r->after = after;
	reader_block(r); /* there is room: the loop feeds it soon */
}

/* Sees that start lies in the log as it is now. */
static enum rc
resolve(struct hub *h, struct hub_start *start, struct err *e)
{
	if (start->is_now) {
		start->after = start->gap_known = h->tip;
		start->epoch = h->epoch;
	}
	if (start->after <= h->tip && start->epoch == h->epoch)
		return RC_OK;
	return err_set(e, RC_BUSY,
	    "the log can't be read at the moment, or was "
	    "replaced just now; subscribe again");
}

enum rc
hub_subscribe(struct reader *r, struct slice pattern, struct hub_start *start,
    struct err *e)
{
	struct interest to;
	uint64_t at;
	uint32_t epoch;
	bool is_only, is_back;
	enum rc rc = resolve(r->hub, start, e);

	if (rc != RC_OK)
		return rc;
	at = hub_position(r, &epoch);
	is_only = r->interest.what.n == 0 ||
	    (r->interest.what.n == 1 && hub_is_subscribed(r, pattern));
	is_back = !is_only && start->after < at;
	rc = interest_with(&to, &r->interest, pattern, start->after,
	    is_back ? at : UINT64_MAX, e);
	if (rc != RC_OK || (rc = change(r, &to, e)) != RC_OK)
		return rc;
	if (is_only)
		r->gap_told = start->gap_known;
	else if (start->gap_known <= at && start->gap_known > r->gap_told)
		r->gap_told = start->gap_known; /* no gap of others
		                                   lies below */
	if ((is_only && start->after != at) || is_back)
		move_to(r, start->after);
	else if (r->state == READER_PAGING)
		move_to(r, at); /* the page under way knows nothing of it */
	return RC_OK;
}

enum rc
hub_unsubscribe(struct reader *r, struct slice pattern, struct err *e)
{
	struct interest to;
	uint32_t epoch;
	uint64_t floor;
	enum rc rc;

	if (!hub_is_subscribed(r, pattern))
		return RC_OK;
	if ((rc = interest_without(&to, &r->interest, pattern, e)) != RC_OK ||
	    (rc = change(r, &to, e)) != RC_OK)
		return rc;
	floor = r->interest.what.n == 0 ? r->hub->tip
	                                : interest_floor(&r->interest);
	if (floor > hub_position(r, &epoch)) /* it had gone back for this one */
		move_to(r, floor);
	else if (r->state == READER_PAGING)
		move_to(r, r->after); /* the page under way still has it */
	return RC_OK;
}

enum rc
hub_listen(struct reader *r, struct pattern_set *what, struct err *e)
{
	struct interest to = {.what = *what, .base = r->hub->tip};

	*what = (struct pattern_set){0};
	return change(r, &to, e);
}

bool
hub_release(struct reader *r, struct outlet *o)
{
	bool is_flowing = hub_is_flowing(r);

	*o = reader_retire(r);
	return is_flowing;
}

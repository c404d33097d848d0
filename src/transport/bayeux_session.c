#include "transport/bayeux.h"

#include "base/clock.h"
#include "base/diag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* Of an ack's number: the seq.  The count of goings back is above it. */
#define ACK_SEQ_BITS 44

/* How long a session that is remembered need not be read again: its row may
   have been deleted, which the slot doesn't tell. */
#define KNOWN_MS 5000

/* Of a cookie: the time it was given, in hexadecimal digits. */
#define TIME_DIGITS 8

/* Pages that open within so many seconds may open at once. */
#define SAME_TIME_S 10

/* How often the file of slots is looked at. */
#define REFRESH_MS 1000

static void
on_sync(void *arg)
{
	bayeux_look_around(arg);
}

enum rc
bayeux_new(struct bayeux **out, struct server *s, struct err *e)
{
	struct bayeux *b = calloc(1, sizeof *b);

	*out = NULL;
	if (b == NULL)
		return err_set(e, RC_NOMEM, "no memory for sessions");
	b->server = s;
	pthread_mutex_init(&b->lock, NULL);
	hub_on_sync(s->hub, on_sync, b);
	*out = b;
	return RC_OK;
}

static enum rc
open_slots(struct bayeux *b, struct err *e)
{
	struct slots *slots;
	char *path;
	enum rc rc;

	if (asprintf(&path, "%s-sessions",
	        log_path(store_log(b->server->store))) < 0)
		return err_set(e, RC_NOMEM, "no memory for sessions");
	rc = slots_open(&slots, path, e);
	free(path);
	if (rc == RC_OK)
		atomic_store(&b->slots, slots);
	else
		diag(DIAG_ERROR, "Bayeux: %s", e->text);
	return rc;
}

enum rc
bayeux_open(struct bayeux *b, struct err *e)
{
	enum rc rc = RC_OK;

	if (atomic_load(&b->slots) != NULL)
		return RC_OK;
	pthread_mutex_lock(&b->lock);
	if (atomic_load(&b->slots) == NULL)
		rc = open_slots(b, e);
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void
bayeux_free(struct bayeux *b)
{
	size_t i;

	if (b == NULL)
		return;
	for (i = 0; i < BAYEUX_KNOWN; i++) {
		if (b->known[i] != NULL)
			bayeux_session_fini(b->known[i]);
		free(b->known[i]);
	}
	if (b->slots != NULL)
		slots_close(b->slots);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* ---- ids ---- */

enum rc
bayeux_draw_id(char id[static BAYEUX_CLIENT_ID_BYTES], struct err *e)
{
	static const char digit[] = "0123456789abcdef";
	unsigned char random[BAYEUX_CLIENT_ID_BYTES / 2];
	size_t i;

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return err_set(e, RC_IO, "getrandom: %s", strerror(errno));
	for (i = 0; i < sizeof random; i++) {
		id[2 * i] = digit[random[i] >> 4];
		id[2 * i + 1] = digit[random[i] & 15];
	}
	return RC_OK;
}

/* ---- browsers ---- */

struct slice
bayeux_cookie(struct slice cookies)
{
	struct slice rest = cookies, one;
	size_t n = sizeof BAYEUX_COOKIE - 1;
	const char *end;

	while (rest.n > 0) {
		end = memchr(rest.p, ';', rest.n);
		one = (struct slice){
		    rest.p, end == NULL ? rest.n : (size_t)(end - rest.p)};
		rest = slice_after(rest, end == NULL ? rest.n : one.n + 1);
		while (one.n > 0 && one.p[0] == ' ')
			one = slice_after(one, 1);
		if (one.n > n + 1 && slice_starts(one, SLICE(BAYEUX_COOKIE)) &&
		    one.p[n] == '=')
			return slice_after(one, n + 1);
	}
	return (struct slice){0};
}

enum rc
bayeux_draw_cookie(char cookie[static BAYEUX_CLIENT_ID_BYTES], struct err *e)
{
	char time[TIME_DIGITS + 1];
	enum rc rc = bayeux_draw_id(cookie, e);

	snprintf(time, sizeof time, "%08x", (unsigned)(clock_unix_ms() / 1000));
	memcpy(cookie, time, TIME_DIGITS);
	return rc;
}

/* When a cookie of ours was given; 0: it isn't one. */
static uint32_t
given_at(struct slice cookie)
{
	char time[TIME_DIGITS + 1] = "";
	char *end;
	unsigned long s;

	if (cookie.n != BAYEUX_CLIENT_ID_BYTES)
		return 0;
	memcpy(time, cookie.p, TIME_DIGITS);
	s = strtoul(time, &end, 16);
	return end == time + TIME_DIGITS ? (uint32_t)s : 0;
}

void
bayeux_mark_browser(
    char to[static BAYEUX_BROWSER_BYTES], char mark, struct slice cookie)
{
	uint64_t hash = slice_hash(0x636f6d6574, cookie);
	uint32_t given_s = given_at(cookie);

	to[0] = mark;
	memcpy(to + 1, &hash, sizeof hash);
	memcpy(to + 1 + sizeof hash, &given_s, sizeof given_s);
}

/* ---- sessions ---- */

void
bayeux_session_fini(struct bayeux_session *s)
{
	if (s->id_n == 0)
		return;
	log_session_fini(&s->row);
	*s = (struct bayeux_session){.id_n = 0};
}

static uint32_t
given_of(struct slice browser)
{
	uint32_t given_s;

	memcpy(&given_s, browser.p + BAYEUX_BROWSER_BYTES - sizeof given_s,
	    sizeof given_s);
	return given_s;
}

/*
 * May this browser use the session?  A cookie that is there must be the
 * session's, or one that was given while it was: of two pages that open at once
 * each is given one, and their browser keeps the later.  No cookie at all will
 * do where the handshake had none either: that was no browser, or one that
 * takes none.
 */
static bool
is_its_browser(struct slice bound, struct slice browser)
{
	int64_t apart_s;

	if (bound.n != BAYEUX_BROWSER_BYTES)
		return true;
	if (browser.n != BAYEUX_BROWSER_BYTES)
		return bound.p[0] != 'c';
	if (slice_is(slice_after(bound, 1), slice_after(browser, 1)))
		return true;
	apart_s = (int64_t)given_of(bound) - (int64_t)given_of(browser);
	return bound.p[0] != 'c' && apart_s <= SAME_TIME_S &&
	    apart_s >= -SAME_TIME_S;
}

/* The slot, with a cursor in it.  In another log the session begins anew;
   whether it was told so shows in its cursor having moved. */
static enum rc
find_slot(struct bayeux *b, struct bayeux_session *s, struct err *e)
{
	bool is_same_log = s->row.epoch == s->row.tip.epoch;
	int64_t now_ms = clock_unix_ms();
	uint64_t cursor;
	enum rc rc;

	if (now_ms >= atomic_load(&b->refreshed_ms) + REFRESH_MS ||
	    now_ms < atomic_load(&b->refreshed_ms)) {
		atomic_store(&b->refreshed_ms, now_ms);
		if ((rc = slots_refresh(b->slots, e)) != RC_OK)
			return rc;
	}
	s->slot = slots_of(
	    s->row.slot, (struct slice){s->id, s->id_n}, s->row.tip.epoch);
	if (!slots_cursor(b->slots, s->slot, &cursor)) {
		cursor = is_same_log ? s->row.cursor : 0;
		rc = slots_claim(b->slots, s->slot, cursor, e);
		if (rc != RC_OK)
			return rc;
	}
	s->is_gap = !is_same_log && cursor == 0;
	return RC_OK;
}

static struct bayeux_session **
place_of(struct bayeux *b, struct slice id)
{
	return &b->known[slice_hash(1, id) % BAYEUX_KNOWN];
}

/* Takes what is remembered of the session; false: nothing,
   or no longer true. */
static bool
recall(struct bayeux *b, struct bayeux_session *s, struct slice id)
{
	struct bayeux_session **place = place_of(b, id), *known;
	uint32_t version;

	pthread_mutex_lock(&b->lock);
	known = *place;
	if (known != NULL && memcmp(known->id, id.p, id.n) == 0)
		*place = NULL;
	else
		known = NULL;
	pthread_mutex_unlock(&b->lock);
	if (known == NULL)
		return false;
	*s = *known;
	free(known);
	if (clock_unix_ms() < s->read_ms + KNOWN_MS &&
	    clock_unix_ms() < s->read_ms +
	            (int64_t)b->server->options->bayeux_max_interval_ms &&
	    log_epoch(store_log(b->server->store)) == s->row.tip.epoch &&
	    s->row.epoch == s->row.tip.epoch &&
	    slots_version(b->slots, s->slot, &version) && version == s->version)
		return true;
	bayeux_session_fini(s);
	return false;
}

void
bayeux_session_keep(struct bayeux *b, struct bayeux_session *s)
{
	struct bayeux_session **place, *old, *known;

	if (s->id_n == 0 || !s->has_version || s->is_gap ||
	    (known = malloc(sizeof *known)) == NULL) {
		bayeux_session_fini(s);
		return;
	}
	*known = *s;
	*s = (struct bayeux_session){.id_n = 0};
	place = place_of(b, (struct slice){known->id, known->id_n});
	pthread_mutex_lock(&b->lock);
	old = *place;
	*place = known;
	pthread_mutex_unlock(&b->lock);
	if (old != NULL)
		bayeux_session_fini(old);
	free(old);
}

static enum rc
read_row(
    struct bayeux *b, struct bayeux_session *s, struct slice id, struct err *e)
{
	struct log_reader *r;
	enum rc rc;

	if ((rc = store_borrow(b->server->store, &r, e)) != RC_OK)
		return rc;
	s->read_ms = clock_unix_ms();
	rc = log_session_read(r, id, &s->row, e);
	store_return(b->server->store, r);
	return rc;
}

enum rc
bayeux_session_load(struct bayeux *b, struct bayeux_session *s, struct slice id,
    struct slice browser, struct err *e)
{
	bool is_known;
	enum rc rc = RC_OK;

	if (s->id_n > 0 && slice_is(id, (struct slice){s->id, s->id_n}))
		return RC_OK;
	bayeux_session_fini(s);
	if (id.p == NULL || id.n != sizeof s->id)
		return err_set(e, RC_MISSING, "there is no such session");
	is_known = recall(b, s, id);
	if (!is_known && (rc = read_row(b, s, id, e)) != RC_OK)
		return rc;
	memcpy(s->id, id.p, id.n);
	s->id_n = id.n;
	if (!is_its_browser(s->row.browser, browser))
		rc = err_set(e, RC_MISSING, "there is no such session");
	else if (!is_known)
		rc = find_slot(b, s, e);
	if (rc != RC_OK)
		bayeux_session_fini(s);
	return rc;
}

/* The version first, then what it is the version of: what changes in between
   makes another one. */
enum rc
bayeux_session_settle(struct bayeux *b, struct bayeux_session *s, struct err *e)
{
	struct slice id = {s->id, s->id_n};
	enum rc rc;

	if (s->has_version)
		return RC_OK;
	if (!slots_version(b->slots, s->slot, &s->version))
		return err_set(e, RC_MISSING, "there is no such session");
	log_session_fini(&s->row);
	if ((rc = read_row(b, s, id, e)) != RC_OK)
		s->id_n = 0;
	s->has_version = rc == RC_OK;
	return rc;
}

uint64_t
bayeux_session_cursor(struct bayeux *b, const struct bayeux_session *s)
{
	uint64_t cursor;

	return slots_cursor(b->slots, s->slot, &cursor) ? cursor
	    : s->row.epoch == s->row.tip.epoch          ? s->row.cursor
	                                                : 0;
}

uint64_t
bayeux_session_ack_number(uint32_t version, uint64_t cursor)
{
	return (uint64_t)slots_times_back(version) << ACK_SEQ_BITS | cursor;
}

void
bayeux_session_acknowledge(
    struct bayeux *b, const struct bayeux_session *s, uint64_t ack)
{
	uint64_t seq = ack & ((UINT64_C(1) << ACK_SEQ_BITS) - 1);
	uint64_t times_back = ack >> ACK_SEQ_BITS;

	/* 0: nothing has come yet.  What the log never had is found out when it
	   is looked for what is behind */
	if (seq > 0 && !s->is_gap && times_back <= UINT8_MAX &&
	    slots_is_times_back(b->slots, s->slot, (uint8_t)times_back))
		(void)slots_advance(b->slots, s->slot, seq);
}

bool
bayeux_session_wants(const struct bayeux_session *s, const struct message *m)
{
	bool is_same_log = s->row.epoch == s->row.tip.epoch;
	size_t i;

	for (i = 0; i < s->row.n; i++)
		if ((!is_same_log || m->seq > s->row.item[i].after) &&
		    pattern_matches(s->row.item[i].pattern, m->channel))
			return bayeux_is_event(m->channel);
	return false;
}

enum rc
bayeux_session_patterns(
    const struct bayeux_session *s, struct pattern_set *what, struct err *e)
{
	struct slice *pattern = calloc(s->row.n + 1, sizeof *pattern);
	size_t i;
	enum rc rc;

	*what = (struct pattern_set){0};
	if (pattern == NULL)
		return err_set(e, RC_NOMEM, "no memory for a session");
	for (i = 0; i < s->row.n; i++)
		pattern[i] = s->row.item[i].pattern;
	rc = pattern_set_copy(what, pattern, s->row.n, e);
	free(pattern);
	return rc;
}

/* ---- in use ---- */

struct seen {
	struct log_change change; /* first */
	char id[BAYEUX_CLIENT_ID_BYTES];
};

static void
seen_done(struct log_change *c, enum rc rc, const char *why)
{
	(void)rc;
	(void)why;
	free(c);
}

void
bayeux_session_seen(struct bayeux *b, const struct bayeux_session *s,
    uint64_t cursor, uint32_t epoch)
{
	struct seen *seen;
	struct err e;

	if (!s->is_gap && epoch == s->row.tip.epoch &&
	    !slots_is_due(
	        b->slots, s->slot, clock_unix_ms(), LOG_SESSION_WRITE_MS))
		return;
	seen = calloc(1, sizeof *seen);
	if (seen == NULL)
		return; /* the next connect says it */
	memcpy(seen->id, s->id, sizeof seen->id);
	seen->change = (struct log_change){.kind = LOG_SESSION_SEEN,
	    .id = {seen->id, sizeof seen->id},
	    .cursor = cursor,
	    .epoch = epoch,
	    .done = seen_done};
	if (store_change(b->server->store, &seen->change, &e) != RC_OK)
		free(seen);
}

/*
 * What changes with each delivery to a Bayeux session, in memory that all
 * processes share: a file beside the log, mapped.  A store to it is seen by
 * every process at once and outlives any of them; the session's row in the log
 * (log/session.h) is what outlives a reboot.  Any thread; nothing here waits
 * for more than some ms, and all but slots_open, slots_claim and slots_refresh
 * are a few loads and stores.
 *
 * A slot belongs to the session that claimed it.  For all others, and after a
 * reboot, or if the file was lost, it is void: then the row counts, and the
 * slot is claimed anew with what the row says.
 *
 * A file that is damaged, of another boot, or cut short while it is in use, is
 * made anew: all slots are void then (hub/mapped.h).
 */
#ifndef COMETLOG_HUB_SLOTS_H
#define COMETLOG_HUB_SLOTS_H

#include "base/err.h"
#include "base/slice.h"

/* Slots are numbered from 0 to below this: 8 MiB, where all are in use. */
#define SLOTS_MAX 262144

struct slots;

/* path is copied; the file is made with mode 0600 if need be.  RC_CONFIG: it
   can't be made or mapped there; RC_NOMEM. */
enum rc slots_open(
    struct slots **out, const char *path, struct err *e) MUST_CHECK;
void slots_close(struct slots *s);

/* Looks whether the file is still the one at its path, whole, and maps that one
   or a new one if not: from time to time.  Two system calls.  As slots_open; s
   goes on with what it has. */
enum rc slots_refresh(struct slots *s, struct err *e) MUST_CHECK;

/* One session's slot, as a process knows it. */
struct slot {
	uint32_t at;    /* below SLOTS_MAX */
	uint64_t check; /* whose it is */
};

/* at: the row's; epoch: the log's now.  In another epoch a slot is void, for
   seqs mean nothing there. */
struct slot slots_of(uint32_t at, struct slice id, uint32_t epoch);

/*
 * Makes the slot the session's, with this cursor, unless it is already.  Of
 * processes that do so at once, one does.  RC_IO: the disk is full; the slot
 * stays void.  Two system calls or more, so once for each void slot met.
 */
enum rc slots_claim(struct slots *s, struct slot slot, uint64_t cursor,
    struct err *e) MUST_CHECK;

/* The session is over: the slot is void, and all are told to look. */
void slots_release(struct slots *s, struct slot slot);

/* The following are false, doing nothing, where the slot is void. */

/* Everything up to *cursor was given. */
bool slots_cursor(struct slots *s, struct slot slot, uint64_t *cursor);

/* Moves the cursor forward, never back.  cursor is below 2^53. */
bool slots_advance(struct slots *s, struct slot slot, uint64_t cursor);

/* Moves it from exactly `from`, also back; false also if it is not there. */
bool slots_move(struct slots *s, struct slot slot, uint64_t from, uint64_t to);

/* A new /meta/connect: *serial is its own, the first's is 1.  One whose serial
   is no longer the slot's is superseded: where that may be one that is under
   way, all are told to look. */
bool slots_begin_connect(struct slots *s, struct slot slot, uint32_t *serial);
bool slots_serial(struct slots *s, struct slot slot, uint32_t *serial);

/* It is over.  If it is not said, the next one tells all to look in vain. */
void slots_end_connect(struct slots *s, struct slot slot, uint32_t serial);

/* The session's subscriptions have changed: a new version, and slots_changes is
   another. */
bool slots_bump(struct slots *s, struct slot slot);
bool slots_version(struct slots *s, struct slot slot, uint32_t *version);

/* Puts the cursor back to an earlier one.  The version then has another count,
   one of 256, of goings back: what was said of the cursor under an earlier
   count is not true any more.  slots_bump is to follow. */
bool slots_go_back(struct slots *s, struct slot slot, uint64_t cursor);
uint8_t slots_times_back(uint32_t version);

/* Is that the slot's count?  One that was claimed since, and has had no connect
   yet, doesn't know, and takes the caller's. */
bool slots_is_times_back(struct slots *s, struct slot slot, uint8_t times);

/* True for one caller of all processes in each every_ms, and the first. */
bool slots_is_due(
    struct slots *s, struct slot slot, int64_t now_ms, int64_t every_ms);

/* Counts the changes of all sessions: one load tells whether to look at those
   that are held.  May also jump. */
uint64_t slots_changes(struct slots *s);

#endif

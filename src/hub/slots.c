#include "hub/slots.h"

#include "hub/mapped.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Shared with other processes, so none of them may be made with a lock. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
    "atomics must be free of locks");

#define MAGIC "CMTLSLOT"
#define FORMAT 1
#define HEAD_BYTES 4096 /* before the first slot */

#define CLAIM_WAIT_MS 10

/* A slot's cursor has the upper bits of its check beside the seq, so that a
   late store of its former owner fails. */
#define SEQ_MASK ((UINT64_C(1) << 53) - 1)

/* A serial is odd while its connect is under way. */
#define CONNECT_IS_HELD 1u

/* A version has, above the changes of subscriptions, twice how often the
   session has gone back. */
#define ONCE_BACK (UINT32_C(1) << 24)

/* All numbers are in the host's byte order. */
struct entry {
	_Atomic uint64_t check; /* 0: nobody's */
	_Atomic uint64_t cursor;
	_Atomic uint32_t serial, version;
	_Atomic int64_t due_ms;
};
_Static_assert(sizeof(struct entry) == 32, "the file's format");

struct file {
	struct mapped_head head;
	_Atomic uint64_t changes;
	char unused[HEAD_BYTES - sizeof(struct mapped_head) - sizeof(uint64_t)];
	struct entry entry[SLOTS_MAX];
};
_Static_assert(offsetof(struct file, entry) == HEAD_BYTES, "the file's format");

struct slots {
	struct mapped *mapped;
	struct file *map;
	pthread_mutex_t lock; /* of claims */
};

enum rc
slots_open(struct slots **out, const char *path, struct err *e)
{
	struct slots *s = calloc(1, sizeof *s);
	enum rc rc;

	*out = NULL;
	if (s == NULL)
		return err_set(e, RC_NOMEM, "no memory for sessions");
	rc = mapped_open(
	    &s->mapped, path, MAGIC, FORMAT, (uint32_t)sizeof(struct file), e);
	if (rc != RC_OK) {
		free(s);
		return rc;
	}
	s->map = mapped_memory(s->mapped);
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return RC_OK;
}

void
slots_close(struct slots *s)
{
	if (s == NULL)
		return;
	mapped_close(s->mapped);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

enum rc
slots_refresh(struct slots *s, struct err *e)
{
	return mapped_refresh(s->mapped, e);
}

struct slot
slots_of(uint32_t at, struct slice id, uint32_t epoch)
{
	struct slice words = {(const char *)&epoch, sizeof epoch};
	uint64_t check = slice_hash(slice_hash(0, words), id);

	return (struct slot){at, check == 0 ? 1 : check};
}

/* NULL: it is void. */
static struct entry *
entry_of(struct slots *s, struct slot slot)
{
	struct entry *it;

	if (slot.at >= SLOTS_MAX || slot.check == 0)
		return NULL; /* no session's */
	it = &s->map->entry[slot.at];
	return atomic_load_explicit(&it->check, memory_order_acquire) ==
	        slot.check
	    ? it
	    : NULL;
}

static uint64_t
cursor_word(struct slot slot, uint64_t seq)
{
	return (slot.check & ~SEQ_MASK) | (seq & SEQ_MASK);
}

static bool
is_of(struct slot slot, uint64_t word)
{
	return (word & ~SEQ_MASK) == (slot.check & ~SEQ_MASK);
}

/* What others may still do to it meanwhile, as its former owners, fails by
   its check, or is put right by the next claim. */
static void
take(struct entry *it, struct slot slot, uint64_t cursor)
{
	atomic_store(&it->check, 0);
	atomic_store(&it->cursor, cursor_word(slot, cursor));
	atomic_store(&it->serial, 0);
	atomic_store(&it->version, 0);
	atomic_store(&it->due_ms, 0);
	atomic_store_explicit(&it->check, slot.check, memory_order_release);
}

/* Who can't have the lock claims all the same: a stopped process mustn't stop
   others, and messages that come twice are the worst of it. */
static void
claim(struct slots *s, struct slot slot, uint64_t cursor)
{
	bool is_mine = mapped_lock(s->mapped, slot.at, CLAIM_WAIT_MS);

	if (entry_of(s, slot) == NULL)
		take(&s->map->entry[slot.at], slot, cursor);
	if (is_mine)
		mapped_unlock(s->mapped, slot.at);
}

enum rc
slots_claim(struct slots *s, struct slot slot, uint64_t cursor, struct err *e)
{
	uint32_t at = HEAD_BYTES + slot.at * (uint32_t)sizeof(struct entry);
	enum rc rc;

	if (slot.at >= SLOTS_MAX)
		return err_set(e, RC_BAD, "there is no slot %u", slot.at);
	pthread_mutex_lock(&s->lock);
	rc = mapped_refresh(s->mapped, e);
	if (rc == RC_OK)
		rc = mapped_reserve(
		    s->mapped, at, (uint32_t)sizeof(struct entry), e);
	if (rc == RC_OK && entry_of(s, slot) == NULL)
		claim(s, slot, cursor);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void
slots_release(struct slots *s, struct slot slot)
{
	struct entry *it = entry_of(s, slot);
	uint64_t check = slot.check;

	if (it != NULL && atomic_compare_exchange_strong(&it->check, &check, 0))
		atomic_fetch_add(&s->map->changes, 1);
}

bool
slots_cursor(struct slots *s, struct slot slot, uint64_t *cursor)
{
	struct entry *it = entry_of(s, slot);
	uint64_t word;

	if (it == NULL)
		return false;
	word = atomic_load(&it->cursor);
	*cursor = word & SEQ_MASK;
	return is_of(slot, word);
}

bool
slots_advance(struct slots *s, struct slot slot, uint64_t cursor)
{
	struct entry *it = entry_of(s, slot);
	uint64_t word;

	if (it == NULL)
		return false;
	word = atomic_load(&it->cursor);
	while (is_of(slot, word) && (word & SEQ_MASK) < cursor)
		if (atomic_compare_exchange_weak(
		        &it->cursor, &word, cursor_word(slot, cursor)))
			return true;
	return is_of(slot, word);
}

bool
slots_move(struct slots *s, struct slot slot, uint64_t from, uint64_t to)
{
	struct entry *it = entry_of(s, slot);
	uint64_t word = cursor_word(slot, from);

	return it != NULL &&
	    atomic_compare_exchange_strong(
	        &it->cursor, &word, cursor_word(slot, to));
}

bool
slots_begin_connect(struct slots *s, struct slot slot, uint32_t *serial)
{
	struct entry *it = entry_of(s, slot);
	uint32_t before;
	bool is_alone;

	if (it == NULL)
		return false;
	before = atomic_load(&it->serial);
	do {
		is_alone = (before & CONNECT_IS_HELD) == 0;
		*serial = before + (is_alone ? 1 : 2);
	} while (!atomic_compare_exchange_weak(&it->serial, &before, *serial));
	if (!is_alone)
		atomic_fetch_add(&s->map->changes, 1);
	return true;
}

void
slots_end_connect(struct slots *s, struct slot slot, uint32_t serial)
{
	struct entry *it = entry_of(s, slot);

	if (it != NULL)
		atomic_compare_exchange_strong(
		    &it->serial, &serial, serial + 1);
}

bool
slots_serial(struct slots *s, struct slot slot, uint32_t *serial)
{
	struct entry *it = entry_of(s, slot);

	if (it != NULL)
		*serial = atomic_load(&it->serial);
	return it != NULL;
}

bool
slots_bump(struct slots *s, struct slot slot)
{
	struct entry *it = entry_of(s, slot);

	if (it == NULL)
		return false;
	atomic_fetch_add(&it->version, 1);
	/* last: whoever sees it sees the version, too */
	atomic_fetch_add(&s->map->changes, 1);
	return true;
}

bool
slots_version(struct slots *s, struct slot slot, uint32_t *version)
{
	struct entry *it = entry_of(s, slot);

	if (it != NULL)
		*version = atomic_load(&it->version);
	return it != NULL;
}

bool
slots_go_back(struct slots *s, struct slot slot, uint64_t cursor)
{
	struct entry *it = entry_of(s, slot);

	if (it == NULL)
		return false;
	/* between the two nobody can tell which side of it a cursor is on */
	atomic_fetch_add(&it->version, ONCE_BACK);
	atomic_store(&it->cursor, cursor_word(slot, cursor));
	atomic_fetch_add(&it->version, ONCE_BACK);
	return true;
}

uint8_t
slots_times_back(uint32_t version)
{
	return (uint8_t)(version / ONCE_BACK);
}

bool
slots_is_times_back(struct slots *s, struct slot slot, uint8_t times)
{
	struct entry *it = entry_of(s, slot);
	uint32_t version;

	if (it == NULL)
		return false;
	version = atomic_load(&it->version);
	if (slots_times_back(version) == times)
		return true;
	return version == 0 && atomic_load(&it->serial) == 0 &&
	    atomic_compare_exchange_strong(
	        &it->version, &version, times * ONCE_BACK);
}

bool
slots_is_due(
    struct slots *s, struct slot slot, int64_t now_ms, int64_t every_ms)
{
	struct entry *it = entry_of(s, slot);
	int64_t due_ms;

	if (it == NULL)
		return false;
	due_ms = atomic_load(&it->due_ms);
	/* a clock that was set back must not make it wait */
	return (now_ms >= due_ms || due_ms > now_ms + every_ms) &&
	    atomic_compare_exchange_strong(
	        &it->due_ms, &due_ms, now_ms + every_ms);
}

uint64_t
slots_changes(struct slots *s)
{
	return s->map->head.drawn + atomic_load(&s->map->changes);
}

#include "log/names.h"

void
names_clear(struct names *n)
{
	for (size_t i = 0; i < NAMES_SLOTS; i++)
		n->slot[i].id = 0;
}

void
names_begin_query(struct names *n, const struct pattern_set *what)
{
	n->what = what;
	n->query++;
}

struct slice
names_of_row(sqlite3_stmt *st)
{
	struct slice name = {0};

	if (sqlite3_column_type(st, CHANNEL_NAME) != SQLITE_TEXT)
		return name;
	name.p = (const char *)sqlite3_column_text(st, CHANNEL_NAME);
	name.n = (size_t)sqlite3_column_bytes(st, CHANNEL_NAME);
	if (name.p == NULL || channel_check(name, NULL) != RC_OK)
		name = (struct slice){0};
	return name;
}

static enum rc
load(struct name_slot *slot, struct db *db, int64_t id, struct err *e)
{
	sqlite3_stmt *st = db_statement(db, ST_CHANNEL_BY_ID);
	struct slice name;
	int r;

	if (st == NULL)
		return db_fail(db, e);
	*slot = (struct name_slot){.id = id};
	sqlite3_bind_int64(st, 1, id);
	r = sqlite3_step(st);
	if (r == SQLITE_ROW) {
		name = names_of_row(st);
		if (name.p != NULL)
			memcpy(slot->text, name.p, name.n);
		slot->n = (uint8_t)name.n;
	} else if (r != SQLITE_DONE) {
		slot->id = 0;
		return db_fail(db, e);
	}
	sqlite3_reset(st);
	return RC_OK;
}

enum rc
names_find(struct names *n, struct db *db, int64_t id, struct slice *name,
    struct err *e)
{
	struct name_slot *slot = &n->slot[(uint64_t)id % NAMES_SLOTS];
	enum rc rc;

	*name = (struct slice){0};
	if (slot->id != id || id == 0) {
		rc = load(slot, db, id, e);
		if (rc != RC_OK)
			return rc;
	}
	if (slot->query != n->query) {
		slot->query = n->query;
		slot->is_covered = slot->n > 0 &&
		    (n->what == NULL ||
		        pattern_set_matches(
		            n->what, (struct slice){slot->text, slot->n}));
	}
	if (slot->is_covered)
		*name = (struct slice){slot->text, slot->n};
	return RC_OK;
}

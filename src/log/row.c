#include "log/row.h"

#include "base/utf8.h"
#include "log/db.h"

#define WORD_MAX_BYTES 255

/* The bytes of a column of any type; p == NULL: NULL, or out of memory. */
static struct slice
column_slice(sqlite3_stmt *st, int column)
{
	struct slice s = {0};

	switch (sqlite3_column_type(st, column)) {
	case SQLITE_NULL:
		return s;
	case SQLITE_BLOB:
		s.p = sqlite3_column_blob(st, column);
		if (s.p == NULL)
			s.p = ""; /* what SQLite makes of an empty one */
		break;
	default:
		s.p = (const char *)sqlite3_column_text(st, column);
		break;
	}
	if (s.p != NULL)
		s.n = (size_t)sqlite3_column_bytes(st, column);
	return s;
}

/* An event or id as the contract has it, or none. */
static struct slice
column_word(sqlite3_stmt *st, int column)
{
	struct slice s = column_slice(st, column);

	if (s.n > WORD_MAX_BYTES || utf8_before_control(s) < s.n)
		s = (struct slice){0};
	return s;
}

/* Compact JSON is not empty and has no control character below U+0020. */
static bool
looks_compact(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20)
			return false;
	return s.n > 0;
}

enum rc
row_message(
    sqlite3_stmt *st, struct buf *repaired, struct message *m, struct err *e)
{
	struct slice data = column_slice(st, ROW_DATA);

	if (data.p == NULL) {
		if (sqlite3_column_type(st, ROW_DATA) != SQLITE_NULL)
			return err_set(e, RC_NOMEM, "no memory for a message");
		data = SLICE("");
	}
	if (!utf8_is_valid(data)) {
		buf_clear(repaired);
		utf8_add_repaired(repaired, data);
		if (repaired->rc != RC_OK)
			return err_set(e, repaired->rc,
			    "no memory for a message of %zu bytes", data.n);
		data = buf_slice(repaired);
	}
	*m = (struct message){
	    .seq = db_u64(st, ROW_SEQ),
	    .time_ms = sqlite3_column_int64(st, ROW_TIME_MS),
	    .event = column_word(st, ROW_EVENT),
	    .id = column_word(st, ROW_ID),
	    .data = data,
	    .is_json =
	        sqlite3_column_int(st, ROW_IS_JSON) != 0 && looks_compact(data),
	};
	return RC_OK;
}

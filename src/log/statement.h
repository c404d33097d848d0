/*
 * Every statement that is run more than once, and the names of its columns.
 * ?1 and so on are bound in the order that the comment gives.
 */
#ifndef COMETLOG_LOG_STATEMENT_H
#define COMETLOG_LOG_STATEMENT_H

/* Columns of HEAD and, behind them, of HEAD_OF. */
enum {
	HEAD_TIP, /* seq of the newest message ever stored */
	HEAD_EPOCH,
	HEAD_FORGOTTEN,
	HEAD_CHANNEL_ID, /* NULL: no such channel */
	HEAD_CHANNEL_NEWEST,
	HEAD_CHANNEL_KEPT_AFTER,
};

/* Columns of all statements that give messages. */
enum {
	ROW_SEQ,
	ROW_CHANNEL_ID,
	ROW_TIME_MS,
	ROW_EVENT,
	ROW_ID,
	ROW_IS_JSON,
	ROW_DATA,
};
#define ROW_COLUMNS "seq, channel_id, time_ms, event, id, is_json, data"

/* Columns of all statements that give channels. */
enum {
	CHANNEL_ID,
	CHANNEL_NAME,
	CHANNEL_NEWEST,
	CHANNEL_MESSAGES,
	CHANNEL_BYTES,
	CHANNEL_KEPT_AFTER,
	CHANNEL_EMPTIED_MS,
};
#define CHANNEL_COLUMNS \
	"id, name, newest, messages, bytes, kept_after, emptied_ms"

/* Columns of FIGURES. */
enum {
	FIGURES_CHANNELS,
	FIGURES_MESSAGES,
	FIGURES_BYTES,
	FIGURES_CREATED_MS,
	FIGURES_SESSIONS,
};

/* Columns of DEDUPE_GET. */
enum {
	DEDUPE_SEQ,
};

/* Columns of OLDEST. */
enum {
	OLDEST_SEQ,
	OLDEST_TIME_MS,
	OLDEST_BYTES,
};

/* Columns of SESSION. */
enum {
	SESSION_SLOT,
	SESSION_BROWSER,
	SESSION_HAS_ACK,
	SESSION_HAS_REPLAY,
	SESSION_SEEN_MS,
	SESSION_CURSOR,
	SESSION_EPOCH,
	SESSION_SUBSCRIPTIONS, /* how many, */
	SESSION_BYTES,         /* and of their patterns */
};

/* Columns of SUBSCRIPTIONS. */
enum {
	SUBSCRIPTION_PATTERN,
	SUBSCRIPTION_AFTER,
};

#define HEAD_COLUMNS \
	"max(newest_gone, forgotten_after, " \
	"coalesce((SELECT max(seq) FROM message), 0)), epoch, forgotten_after"

#define STATEMENT_LIST(X) \
	/* reading */ \
	X(HEAD, "SELECT " HEAD_COLUMNS " FROM meta") \
	/* name */ \
	X(HEAD_OF, \
	    "SELECT " HEAD_COLUMNS ", channel.id, newest, kept_after " \
	    "FROM meta LEFT JOIN channel ON name = ?1") \
	/* seq after */ \
	X(ROWS, \
	    "SELECT " ROW_COLUMNS " FROM message WHERE seq > ?1 " \
	    "ORDER BY seq") \
	/* channel, seq after */ \
	X(ROWS_OF, \
	    "SELECT " ROW_COLUMNS " FROM message " \
	    "WHERE channel_id = ?1 AND seq > ?2 ORDER BY seq") \
	/* seq */ \
	X(ROW, "SELECT " ROW_COLUMNS " FROM message WHERE seq = ?1") \
	/* seq after; without the data, which may be long */ \
	X(ROW_CHANNELS, \
	    "SELECT seq, channel_id FROM message " \
	    "WHERE seq > ?1 ORDER BY seq") \
	/* channel, seq after, how many */ \
	X(SEQS_OF, \
	    "SELECT seq FROM message WHERE channel_id = ?1 " \
	    "AND seq > ?2 ORDER BY seq LIMIT ?3") \
	/* channel, seq after, how many */ \
	X(LAST_SEQS_OF, \
	    "SELECT seq FROM message WHERE channel_id = ?1 " \
	    "AND seq > ?2 ORDER BY seq DESC LIMIT ?3") \
	/* how many */ \
	X(LAST_SEQS, "SELECT seq FROM message ORDER BY seq DESC LIMIT ?1") \
	/* name */ \
	X(CHANNEL, "SELECT " CHANNEL_COLUMNS " FROM channel WHERE name = ?1") \
	/* id */ \
	X(CHANNEL_BY_ID, \
	    "SELECT " CHANNEL_COLUMNS " FROM channel " \
	    "WHERE id = ?1") \
	/* first name, name behind the last (BLOBs sort behind all TEXT) */ \
	X(CHANNELS_BETWEEN, \
	    "SELECT " CHANNEL_COLUMNS " FROM channel " \
	    "WHERE name >= ?1 AND name < ?2 ORDER BY name") \
	/* name before the first */ \
	X(CHANNELS_BEHIND, \
	    "SELECT " CHANNEL_COLUMNS " FROM channel " \
	    "WHERE name > ?1 ORDER BY name") \
	/* kept_after */ \
	X(CHANNELS_CUT, \
	    "SELECT " CHANNEL_COLUMNS " FROM channel " \
	    "WHERE kept_after > ?1 ORDER BY kept_after DESC") \
	X(FIGURES, \
	    "SELECT count(*), coalesce(sum(messages), 0), " \
	    "coalesce(sum(bytes), 0), (SELECT created_ms FROM meta), " \
	    "(SELECT count(*) FROM session) FROM channel") \
	/* id */ \
	X(SESSION, \
	    "SELECT slot, browser, has_ack, has_replay, seen_ms, " \
	    "cursor, epoch, count(pattern), " \
	    "coalesce(sum(length(CAST(pattern AS BLOB))), 0) " \
	    "FROM session LEFT JOIN subscription USING (slot) " \
	    "WHERE id = ?1 GROUP BY slot") \
	/* slot */ \
	X(SUBSCRIPTIONS, \
	    "SELECT pattern, after FROM subscription " \
	    "WHERE slot = ?1 ORDER BY pattern") \
	/* appending */ \
	X(BEGIN, "BEGIN IMMEDIATE") \
	X(COMMIT, "COMMIT") \
	/* name */ \
	X(CHANNEL_ADD, \
	    "INSERT INTO channel(name, kept_after) " \
	    "SELECT ?1, forgotten_after FROM meta") \
	/* channel, seq, messages, bytes */ \
	X(CHANNEL_GREW, \
	    "UPDATE channel SET newest = ?2, " \
	    "messages = messages + ?3, bytes = bytes + ?4 WHERE id = ?1") \
	/* channel, time, event, id, is_json, data, seq */ \
	X(MESSAGE_ADD, \
	    "INSERT INTO message(channel_id, time_ms, event, id, " \
	    "is_json, data, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)") \
	/* channel, id, oldest time */ \
	X(DEDUPE_GET, \
	    "SELECT seq FROM dedupe " \
	    "WHERE channel_id = ?1 AND id = ?2 AND time_ms >= ?3") \
	/* channel, id, seq, time */ \
	X(DEDUPE_PUT, \
	    "INSERT OR REPLACE INTO dedupe(channel_id, id, seq, " \
	    "time_ms) VALUES (?1, ?2, ?3, ?4)") \
	/* changing sessions: id */ \
	X(SESSION_SLOT, "SELECT slot FROM session WHERE id = ?1") \
	X(SLOT_LOWEST, \
	    "SELECT coalesce((SELECT min(slot) FROM session_free), " \
	    "(SELECT max(slot) FROM session) + 1, 0)") \
	/* slot, each of the following */ \
	X(SLOT_TAKE, "DELETE FROM session_free WHERE slot = ?1") \
	X(SLOT_GIVE_BACK, "INSERT INTO session_free(slot) VALUES (?1)") \
	/* ... id, browser, has_ack, has_replay, time, cursor, epoch */ \
	X(SESSION_ADD, \
	    "INSERT INTO session(slot, id, browser, has_ack, " \
	    "has_replay, seen_ms, cursor, epoch) " \
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)") \
	/* ... time, cursor, epoch, latest time at which to write it again */ \
	X(SESSION_SEEN, \
	    "UPDATE session SET seen_ms = ?2, epoch = ?4, " \
	    "cursor = CASE epoch WHEN ?4 THEN max(cursor, ?3) ELSE ?3 END " \
	    "WHERE slot = ?1 AND (seen_ms <= ?5 OR seen_ms > ?2 " \
	    "OR epoch <> ?4)") \
	X(SESSION_REPLAYS, \
	    "UPDATE session SET has_replay = 1 " \
	    "WHERE slot = ?1") \
	/* ... cursor, time: no SEEN on its way may undo it */ \
	X(SESSION_BACK, \
	    "UPDATE session SET cursor = ?2, seen_ms = ?3 " \
	    "WHERE slot = ?1") \
	X(SESSION_DELETE, "DELETE FROM session WHERE slot = ?1") \
	X(SUBSCRIPTION_COUNT, \
	    "SELECT count(*) FROM subscription " \
	    "WHERE slot = ?1") \
	/* ... pattern */ \
	X(SUBSCRIPTION, \
	    "SELECT after FROM subscription " \
	    "WHERE slot = ?1 AND pattern = ?2") \
	/* ... pattern, after */ \
	X(SUBSCRIPTION_PUT, \
	    "INSERT OR REPLACE INTO subscription(slot, " \
	    "pattern, after) VALUES (?1, ?2, ?3)") \
	/* ... pattern */ \
	X(SUBSCRIPTION_DELETE, \
	    "DELETE FROM subscription " \
	    "WHERE slot = ?1 AND pattern = ?2") \
	/* ... what all of them have up to */ \
	X(SUBSCRIPTIONS_RAISE, \
	    "UPDATE subscription SET after = ?2 " \
	    "WHERE slot = ?1 AND after < ?2") \
	X(SUBSCRIPTIONS_DELETE, "DELETE FROM subscription WHERE slot = ?1") \
	/* deleting what is too old: oldest time to stay */ \
	X(SESSION_OLD, \
	    "SELECT slot FROM session WHERE seen_ms < ?1 " \
	    "ORDER BY seen_ms LIMIT 1") \
	/* id before the first, how many */ \
	X(CHANNELS_BY_ID, \
	    "SELECT " CHANNEL_COLUMNS " FROM channel " \
	    "WHERE id > ?1 ORDER BY id LIMIT ?2") \
	X(CHANNEL_LAST, "SELECT coalesce(max(id), 0) FROM channel") \
	/* channel, how many */ \
	X(OLDEST, \
	    "SELECT seq, time_ms, length(CAST(data AS BLOB)) " \
	    "FROM message WHERE channel_id = ?1 ORDER BY seq LIMIT ?2") \
	/* last seq to go */ \
	X(NEWEST_GOES, \
	    "UPDATE meta SET newest_gone = max(newest_gone, ?1) " \
	    "WHERE ?1 >= (SELECT max(seq) FROM message)") \
	/* channel, last seq to go */ \
	X(MESSAGES_DELETE, \
	    "DELETE FROM message " \
	    "WHERE channel_id = ?1 AND seq <= ?2") \
	/* channel, last seq gone, messages, bytes, time */ \
	X(CHANNEL_SHRANK, \
	    "UPDATE channel SET " \
	    "kept_after = max(kept_after, ?2), messages = ?3, bytes = ?4, " \
	    "emptied_ms = CASE ?3 WHEN 0 THEN ?5 ELSE emptied_ms END " \
	    "WHERE id = ?1") \
	/* kept_after */ \
	X(FORGOTTEN, \
	    "UPDATE meta SET forgotten_after = " \
	    "max(forgotten_after, ?1)") \
	/* channel */ \
	X(CHANNEL_DELETE, \
	    "DELETE FROM channel WHERE id = ?1 " \
	    "AND messages = 0 AND NOT EXISTS (" \
	    "SELECT 1 FROM dedupe WHERE channel_id = ?1)") \
	/* oldest time to stay */ \
	X(DEDUPE_IS_OLD, "SELECT 1 FROM dedupe WHERE time_ms < ?1 LIMIT 1") \
	/* oldest time to stay, how many */ \
	X(DEDUPE_DELETE, \
	    "DELETE FROM dedupe WHERE (channel_id, id) IN (" \
	    "SELECT channel_id, id FROM dedupe WHERE time_ms < ?1 " \
	    "ORDER BY time_ms LIMIT ?2)")

enum statement {
#define X(name, sql) ST_##name,
	STATEMENT_LIST(X)
#undef X
	    ST_COUNT
};

extern const char *const statement_sql[ST_COUNT];

#endif

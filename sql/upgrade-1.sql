-- From version 1 to 2: seqs without AUTOINCREMENT, and Bayeux sessions.  Run in
-- one transaction by schema.c.

-- The newest seq is kept in meta instead of in sqlite_sequence.
ALTER TABLE meta ADD COLUMN newest_gone INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET newest_gone = coalesce(
	(SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0);
DELETE FROM sqlite_sequence WHERE name = 'message';

-- Rows look the same with and without AUTOINCREMENT, so the table needn't be
-- copied, which would take long and room for all of it once more.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, ' AUTOINCREMENT', '')
WHERE type = 'table' AND name = 'message';
PRAGMA writable_schema = RESET;

DROP TRIGGER publish_store;
CREATE TRIGGER publish_store INSTEAD OF INSERT ON publish_checked
WHEN NOT EXISTS (
	SELECT 1 FROM channel
	JOIN dedupe ON dedupe.channel_id = channel.id AND dedupe.id = new.id
	WHERE channel.name = new.name
	AND dedupe.time_ms >= new.time_ms - (SELECT dedupe_ms FROM meta)
	AND (SELECT dedupe_ms FROM meta) > 0
)
BEGIN
	INSERT INTO channel(name, kept_after)
	SELECT new.name, forgotten_after FROM meta
	WHERE NOT EXISTS (SELECT 1 FROM channel WHERE name = new.name);

	INSERT INTO message(seq, channel_id, time_ms, event, id, is_json, data)
	SELECT 1 + max(newest_gone, forgotten_after,
		coalesce((SELECT max(seq) FROM message), 0)), id, new.time_ms, new.event, new.id, new.is_json, new.data
	FROM channel, meta WHERE name = new.name;

	INSERT OR REPLACE INTO dedupe(channel_id, id, seq, time_ms)
	SELECT channel.id, new.id, newest.seq, new.time_ms
	FROM channel, (SELECT max(seq) AS seq FROM message) AS newest
	WHERE name = new.name AND new.id IS NOT NULL
	AND (SELECT dedupe_ms FROM meta) > 0;

	UPDATE channel SET
		newest = (SELECT max(seq) FROM message),
		messages = messages + 1,
		bytes = bytes + length(CAST(new.data AS BLOB))
	WHERE name = new.name;
END;

-- Bayeux sessions: what must outlive a reboot.  What changes with each delivery
-- stands in the file of slots beside the log, and here at most once a minute.
CREATE TABLE session (
	slot INTEGER PRIMARY KEY, -- in that file
	id TEXT NOT NULL UNIQUE,
	browser BLOB, -- a hash of the browser's cookie; NULL: it has none
	has_ack INTEGER NOT NULL,
	has_replay INTEGER NOT NULL,
	seen_ms INTEGER NOT NULL,
	cursor INTEGER NOT NULL, -- seq: everything up to it was given
	epoch INTEGER NOT NULL -- that cursor and "after" belong to
);
CREATE INDEX session_seen ON session(seen_ms);

-- Slots below the highest one ever used that no session has now.
CREATE TABLE session_free (
	slot INTEGER PRIMARY KEY
);

CREATE TABLE subscription (
	slot INTEGER NOT NULL,
	pattern TEXT NOT NULL,
	after INTEGER NOT NULL, -- seq: nothing up to it is wanted
	PRIMARY KEY (slot, pattern)
) WITHOUT ROWID;

-- The message log, version 2.  Programs that are not Cometlog's write through
-- the view "publish" and read what they like; the tables are the program's own.
-- schema.c sets application_id and user_version.

-- What is known of the log as a whole: one row.
CREATE TABLE meta (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	epoch INTEGER NOT NULL, -- 32 bits, drawn anew when the file is another
	                        -- or was restored in place
	inode INTEGER NOT NULL, -- of the file that the epoch belongs to; 0: unknown
	created_ms INTEGER NOT NULL,
	message_bytes INTEGER NOT NULL, -- limit of data, for the trigger
	dedupe_ms INTEGER NOT NULL, -- window of ids, for the trigger
	forgotten_after INTEGER NOT NULL DEFAULT 0, -- the highest kept_after of
	                                           -- channels whose row is gone
	newest_gone INTEGER NOT NULL DEFAULT 0 -- the highest seq that was the
	                                       -- newest when it was deleted
);
INSERT INTO meta(one, epoch, inode, created_ms, message_bytes, dedupe_ms)
VALUES (1, random() & 0xffffffff, 0,
	CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 65536, 0);

-- AUTOINCREMENT: a channel's id, too, never means another channel later, so
-- that programs may remember it.
CREATE TABLE channel (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL UNIQUE,
	newest INTEGER NOT NULL DEFAULT 0, -- seq, also when it is no longer kept
	messages INTEGER NOT NULL DEFAULT 0, -- kept
	bytes INTEGER NOT NULL DEFAULT 0, -- of their data
	kept_after INTEGER NOT NULL DEFAULT 0, -- highest seq deleted here
	emptied_ms INTEGER NOT NULL DEFAULT 0 -- when messages last became 0
);
CREATE INDEX channel_kept_after ON channel(kept_after);

-- A seq is given once, also when the newest messages are gone: it is one more
-- than all here and in meta.  AUTOINCREMENT would cost each commit a page, and
-- a trigger for newest_gone each deleted row 1.7 us: retain.c keeps it.
CREATE TABLE message (
	seq INTEGER PRIMARY KEY,
	channel_id INTEGER NOT NULL,
	time_ms INTEGER NOT NULL,
	event TEXT,
	id TEXT,
	is_json INTEGER NOT NULL DEFAULT 0,
	data TEXT NOT NULL
);
-- An index ends with the rowid, which is seq: this is (channel_id, seq).
CREATE INDEX message_channel ON message(channel_id);

-- Publishers' ids within the window, and the seq that each got.
CREATE TABLE dedupe (
	channel_id INTEGER NOT NULL,
	id TEXT NOT NULL,
	seq INTEGER NOT NULL,
	time_ms INTEGER NOT NULL,
	PRIMARY KEY (channel_id, id)
) WITHOUT ROWID;
CREATE INDEX dedupe_time ON dedupe(time_ms);

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

-- INSERT INTO publish(channel, data) VALUES ('chat/room1', 'hello');
-- Also event, id, and json = 1 where data is a JSON text.
CREATE VIEW publish(channel, data, event, id, json) AS
SELECT channel.name, message.data, message.event, message.id, message.is_json
FROM message JOIN channel ON channel.id = message.channel_id;

-- What publish_check found good, as it is stored.  Not for use by itself.
CREATE VIEW publish_checked(name, data, event, id, is_json, time_ms) AS
SELECT channel.name, message.data, message.event, message.id, message.is_json,
	message.time_ms
FROM message JOIN channel ON channel.id = message.channel_id;

CREATE TRIGGER publish_check INSTEAD OF INSERT ON publish
BEGIN
	SELECT CASE
	WHEN name IS NULL OR bytes = 0
		THEN RAISE(ABORT, 'cometlog: channel is missing or empty')
	WHEN bytes > 255
		THEN RAISE(ABORT, 'cometlog: channel is longer than 255 bytes')
	WHEN substr(name, 1, 1) = '/'
		THEN RAISE(ABORT, 'cometlog: channel begins with more than one /')
	WHEN substr(name, 1, 1) = '$'
		THEN RAISE(ABORT, 'cometlog: channels that begin with $ are reserved')
	WHEN instr(name, '*')
		THEN RAISE(ABORT, 'cometlog: channel has a *, which only patterns have')
	WHEN instr(CAST(name AS BLOB), x'00') OR name GLOB '*[' || char(1) ||
		'-' || char(31, 127) || '-' || char(159, 0xfffd) || ']*'
		THEN RAISE(ABORT, 'cometlog: channel has control characters or is not UTF-8')
	END FROM (
		SELECT name, length(CAST(name AS BLOB)) AS bytes FROM (
			SELECT CASE substr(new.channel, 1, 1) WHEN '/'
				THEN substr(new.channel, 2)
				ELSE CAST(new.channel AS TEXT) END AS name
		)
	);
	SELECT CASE
	WHEN length(CAST(word AS BLOB)) > 255
		THEN RAISE(ABORT, 'cometlog: event or id is longer than 255 bytes')
	WHEN instr(CAST(word AS BLOB), x'00') OR word GLOB '*[' || char(1) ||
		'-' || char(31, 127) || '-' || char(159, 0xfffd) || ']*'
		THEN RAISE(ABORT, 'cometlog: event or id has control characters or is not UTF-8')
	END FROM (
		SELECT CAST(new.event AS TEXT) AS word
		UNION ALL SELECT CAST(new.id AS TEXT)
	);
	SELECT CASE
	WHEN length(CAST(new.data AS BLOB)) > (SELECT message_bytes FROM meta)
		THEN RAISE(ABORT, 'cometlog: data is over the limit: meta.message_bytes')
	WHEN new.json AND NOT coalesce(json_valid(CAST(new.data AS TEXT)), 0)
		THEN RAISE(ABORT, 'cometlog: json is set, but data is not a JSON text')
	END;
	INSERT INTO publish_checked(name, data, event, id, is_json, time_ms)
	SELECT
		CASE substr(new.channel, 1, 1) WHEN '/'
			THEN substr(new.channel, 2)
			ELSE CAST(new.channel AS TEXT) END,
		CASE json_kind WHEN '' THEN coalesce(data, '')
			WHEN 'text' THEN json_extract(data, '$')
			ELSE json(data) END,
		nullif(CAST(new.event AS TEXT), ''),
		nullif(CAST(new.id AS TEXT), ''),
		json_kind NOT IN ('', 'text'),
		CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
	FROM (
		SELECT CAST(new.data AS TEXT) AS data, CASE WHEN new.json
			THEN json_type(CAST(new.data AS TEXT)) ELSE '' END AS json_kind
	);
END;

-- A repeated id within the window stores nothing.
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

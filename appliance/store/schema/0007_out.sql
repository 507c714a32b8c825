-- ==== Webhooks: store/webhooks.py, store/webhook_tries.py ====

-- Who is told of events over HTTP. What it has been told is all up to a number: the log
-- of events is its queue.
CREATE TABLE webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES account,
    sub_account INTEGER,             -- NULL: all of the account's
    dialect TEXT NOT NULL,           -- '': a message named it
    url TEXT NOT NULL,
    name TEXT NOT NULL,
    wanted TEXT NOT NULL,            -- JSON list of the dialect's own words
    form TEXT NOT NULL,              -- the dialect's variant of the payload; '': the usual
    enabled INTEGER NOT NULL,
    secret_sealed BLOB,              -- NULL: requests are not signed
    old_secret_sealed BLOB,          -- the one before, good until old_until_ns
    old_until_ns INTEGER,
    after INTEGER NOT NULL,          -- number of the last event it was told
    failures INTEGER NOT NULL DEFAULT 0,   -- in a row: core/breaker.py
    opened_ns INTEGER,
    probe_ns INTEGER,
    last_error TEXT NOT NULL DEFAULT '',
    last_error_ns INTEGER NOT NULL DEFAULT 0,
    in_a_row INTEGER NOT NULL DEFAULT 0,   -- tries that failed, each of them
    disabled_ns INTEGER,             -- given up since; NULL: it was not
    taken_ns INTEGER NOT NULL DEFAULT 0,   -- when a request was last taken
    taken INTEGER NOT NULL DEFAULT 0,      -- tries that were, and those that were not
    refused INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,     -- events forgotten before they were told
    created_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhook_of_messages ON webhook (sub_account, url)
    WHERE dialect = '';

-- A request that failed and is made again, as it was first worded.
CREATE TABLE webhook_waiting (
    id INTEGER PRIMARY KEY,
    webhook INTEGER NOT NULL REFERENCES webhook ON DELETE CASCADE,
    key TEXT NOT NULL,
    numbers TEXT NOT NULL,           -- JSON list: the events in it
    title TEXT NOT NULL,
    content BLOB NOT NULL,
    tries INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,
    due_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_waiting_due ON webhook_waiting (webhook, due_ns);

-- Events that somebody asked to be told again: numbers behind after, up to upto.
CREATE TABLE webhook_replay (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook INTEGER NOT NULL REFERENCES webhook ON DELETE CASCADE,
    after INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    everything INTEGER NOT NULL      -- 1: also what the endpoint does not want
) STRICT;

-- The newest tries of each endpoint.
CREATE TABLE webhook_try (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook INTEGER NOT NULL REFERENCES webhook ON DELETE CASCADE,
    good INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    title TEXT NOT NULL,
    numbers TEXT NOT NULL,           -- JSON list
    attempt INTEGER NOT NULL,
    status INTEGER NOT NULL,         -- 0: no answer
    error TEXT NOT NULL,
    took_ms INTEGER NOT NULL,
    final INTEGER NOT NULL,          -- 1: it failed and is not tried again
    headers TEXT NOT NULL,           -- JSON object
    body TEXT NOT NULL,              -- how it begins
    answer TEXT NOT NULL             -- how it began
) STRICT;
CREATE INDEX webhook_try_of ON webhook_try (webhook, good, id);

-- Whose word counts for delivered where that is told once (core/webhook.py Span).
ALTER TABLE provider ADD COLUMN delivered_by TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE provider ADD COLUMN agent_since_ns INTEGER;
ALTER TABLE provider ADD COLUMN agent_until_ns INTEGER;
UPDATE provider SET agent_since_ns = agent_last_seen_ns WHERE agent_last_seen_ns > 0;

-- ==== Log and chain: store/events.py, store/chain.py, store/event_retention.py ====

-- BLAKE2b over the hash of the event before and this row (store/chain.py).
ALTER TABLE event ADD COLUMN hash BLOB NOT NULL DEFAULT x'';
-- Times in order: a span of days becomes a span of numbers, and lists begin anywhere.
CREATE INDEX event_at ON event (at_ns);

-- Numbers that are no longer in the log, from first to last; the hash of the last.
CREATE TABLE event_gone (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
-- The first number with a hash, and up to where opens and clicks were forgotten.
CREATE TABLE event_log (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    chained_from INTEGER NOT NULL,
    engagement_after INTEGER NOT NULL
) STRICT;
INSERT INTO event_log
    SELECT 1, coalesce(max(seq), 0) + 1, 0 FROM sqlite_sequence WHERE name = 'event';
INSERT INTO event_gone
    SELECT least, 1, x'' FROM (
        SELECT coalesce((SELECT min(number) - 1 FROM event), chained_from - 1) AS least
        FROM event_log)
    WHERE least > 0;

-- ==== Statistics: store/stats.py, store/stat_check.py ====

-- How many events there were, by what mail is told apart by, in an hour, a day or a
-- month: core/stats.py. The key '' of a kind that has keys stands for the rest, where
-- there are too many.
CREATE TABLE stat (
    kind INTEGER NOT NULL,
    span INTEGER NOT NULL,
    period INTEGER NOT NULL,
    key TEXT NOT NULL,
    sub_account INTEGER NOT NULL,    -- 0: nobody's
    processed INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    smtp_dropped INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    soft_bounced INTEGER NOT NULL,
    hard_bounced INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    clicked INTEGER NOT NULL,
    unsubscribed INTEGER NOT NULL,
    complained INTEGER NOT NULL,
    unique_opened INTEGER NOT NULL,
    unique_clicked INTEGER NOT NULL,
    throttled INTEGER NOT NULL,
    PRIMARY KEY (kind, span, period, key, sub_account)
) STRICT, WITHOUT ROWID;

-- One row: which events are counted, and since which hour hours are kept.
CREATE TABLE stat_stand (
    counted INTEGER NOT NULL,        -- number of the last one
    hours_since INTEGER NOT NULL
) STRICT;
INSERT INTO stat_stand VALUES (0, 0);

-- What the counters still count and the log has no longer, so that they can be checked.
CREATE TABLE stat_forgotten (
    sub_account INTEGER NOT NULL,
    type INTEGER NOT NULL,
    events INTEGER NOT NULL,
    last_hour INTEGER NOT NULL,      -- of the youngest of them
    PRIMARY KEY (sub_account, type)
) STRICT, WITHOUT ROWID;
-- Whoever prunes the log: an event that is not counted yet stays.
CREATE TRIGGER event_uncounted BEFORE DELETE ON event
WHEN old.number > (SELECT counted FROM stat_stand)
BEGIN
    SELECT RAISE(IGNORE);
END;
CREATE TRIGGER event_forgotten AFTER DELETE ON event
WHEN old.type BETWEEN 58 AND 68
BEGIN
    INSERT INTO stat_forgotten VALUES
        (old.sub_account, old.type, 1, old.at_ns / 3600000000000)
    ON CONFLICT DO UPDATE SET events = events + 1,
        last_hour = max(last_hour, excluded.last_hour);
END;

-- Mail that left after it had waited for a limit, and how much of that is in `stat`.
ALTER TABLE throttle ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE throttle ADD COLUMN held_counted INTEGER NOT NULL DEFAULT 0;

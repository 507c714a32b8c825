-- A relay to be trusted: what is in doubt, each try, and how upstreams are.

-- The queue with one more state (IN_DOUBT), the moment at which the final dot was
-- let go, and what a delivery waits for. SQLite cannot change a CHECK in place.
CREATE TABLE delivery_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    message INTEGER NOT NULL REFERENCES message,
    sub_account INTEGER NOT NULL,
    domain INTEGER NOT NULL,
    pool INTEGER NOT NULL,
    provider INTEGER,                -- NULL until drawn, then pinned
    role INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    recipient_domain TEXT NOT NULL,
    fields BLOB,                     -- values for placeholders; NULL: none
    state INTEGER NOT NULL,
    due_ns INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_code INTEGER NOT NULL DEFAULT 0,
    last_text TEXT NOT NULL DEFAULT '',
    created_ns INTEGER NOT NULL,
    settled_ns INTEGER,
    dot_ns INTEGER,                  -- the final dot may have left since; NULL: no
    waits_for TEXT NOT NULL DEFAULT '',  -- what holds it besides its time; '': nothing
    CHECK (state BETWEEN 0 AND 5),
    -- QUEUED and IN_DOUBT wait for a moment, the others do not.
    CHECK ((state IN (0, 5)) = (due_ns IS NOT NULL)),
    CHECK ((state IN (2, 3)) = (settled_ns IS NOT NULL))  -- SENT, DROPPED are the ends
) STRICT;
INSERT INTO delivery_new
    SELECT id, uuid, message, sub_account, domain, pool, provider, role, recipient,
        recipient_domain, fields, state, due_ns, attempts, last_code, last_text,
        created_ns, settled_ns, NULL, ''
    FROM delivery;
-- No number that was given away may mean another row: the pruned ones count too.
DELETE FROM sqlite_sequence WHERE name = 'delivery_new';
INSERT INTO sqlite_sequence
    SELECT 'delivery_new', seq FROM sqlite_sequence WHERE name = 'delivery';
DROP TABLE delivery;
ALTER TABLE delivery_new RENAME TO delivery;
CREATE INDEX delivery_message ON delivery (message);
-- SQLite takes a partial index for queries that repeat its WHERE word by word, and
-- reads no row if the index holds those columns too.
-- The claim reads this one from the front of each provider, and of those that
-- are not drawn yet (NULL); what is in doubt is not in it.
CREATE INDEX delivery_due ON delivery (provider, due_ns, state)
    WHERE due_ns IS NOT NULL AND state = 0;
-- What is neither queued nor finished: in flight (few), held, in doubt (few).
CREATE INDEX delivery_taken ON delivery (state, due_ns, settled_ns)
    WHERE settled_ns IS NULL AND state <> 0;

-- One try of one delivery, for those who ask why; in the order of their ids. Not all
-- count as tries of the mail. Goes with its delivery. A key of delivery and number
-- would have to be looked up first, which doubles the price of a row.
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    delivery INTEGER NOT NULL,
    provider INTEGER NOT NULL,
    began_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL,
    ending TEXT NOT NULL,            -- core/attempt.py: accepted, rejected, ...
    stage TEXT NOT NULL,
    code INTEGER NOT NULL,
    text TEXT NOT NULL,
    detail BLOB NOT NULL             -- TLS, times, the dialogue: attempt_codec.py
) STRICT;
CREATE INDEX attempt_delivery ON attempt (delivery);

-- What is known of an upstream's health; no row: nothing bad.
CREATE TABLE provider_health (
    provider INTEGER PRIMARY KEY REFERENCES provider ON DELETE CASCADE,
    failures INTEGER NOT NULL,       -- in a row
    opened_ns INTEGER,               -- the breaker is open since; NULL: it is closed
    probe_ns INTEGER,                -- when it is tried next
    last_error TEXT NOT NULL,
    last_error_ns INTEGER NOT NULL
) STRICT;

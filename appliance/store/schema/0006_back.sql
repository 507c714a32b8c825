-- What comes back, the rest: for what mail and until when, and by which way it is heard.

-- ==== Suppression: store/suppressions.py ====

-- Entries for some mail only, and entries that end. SQLite cannot change a UNIQUE in
-- place.
CREATE TABLE suppression_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    sub_account INTEGER NOT NULL REFERENCES sub_account,
    address TEXT NOT NULL,           -- Address.key, or @ and a whole domain
    topic TEXT NOT NULL DEFAULT '',  -- only mail of this topic; '': of any or none
    domain TEXT NOT NULL DEFAULT '', -- only mail from this sender domain; '': of all
    reason INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    description TEXT NOT NULL,
    source INTEGER NOT NULL DEFAULT 0,
    delivery BLOB,
    expires_ns INTEGER,              -- counts no more from here on; NULL: for ever
    lifted INTEGER NOT NULL DEFAULT 0,
    change INTEGER NOT NULL,         -- meta.suppressions when the row last changed
    CHECK (topic = '' OR domain = ''),
    UNIQUE (sub_account, address, topic, domain)
) STRICT;
INSERT INTO suppression_new (id, uuid, sub_account, address, reason, at_ns,
        description, source, delivery, lifted, change)
    SELECT id, uuid, sub_account, address, reason, at_ns, description, source,
        delivery, lifted, change
    FROM suppression;
-- No number that was given away may mean another row.
DELETE FROM sqlite_sequence WHERE name = 'suppression_new';
INSERT INTO sqlite_sequence
    SELECT 'suppression_new', seq FROM sqlite_sequence WHERE name = 'suppression';
DROP TABLE suppression;
ALTER TABLE suppression_new RENAME TO suppression;
CREATE INDEX suppression_change ON suppression (change);
CREATE INDEX suppression_when ON suppression (sub_account, at_ns);
CREATE INDEX suppression_expiry ON suppression (expires_ns)
    WHERE expires_ns IS NOT NULL AND lifted = 0;

-- ==== Returns: store/returns.py ====

-- How much of what came to our return paths and complaint addresses, or tried to, was
-- of which kind (flow/returns.py Kind).
CREATE TABLE return_count (
    kind TEXT PRIMARY KEY,
    times INTEGER NOT NULL,
    last_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- ==== Engagement: store/engagement.py ====

-- How often a delivery was opened, its links followed, its unsubscribe used; in all,
-- and by people as far as that shows. What was recorded before is of nobody we know.
CREATE TABLE engagement (
    delivery INTEGER PRIMARY KEY,
    opens INTEGER NOT NULL,
    human_opens INTEGER NOT NULL,
    clicks INTEGER NOT NULL,
    human_clicks INTEGER NOT NULL,
    unsubscribes INTEGER NOT NULL
) STRICT;
INSERT INTO engagement
    SELECT d.id, sum(e.type = 65), 0, sum(e.type = 66), 0, sum(e.type = 68)
    FROM event AS e JOIN delivery AS d ON d.uuid = e.delivery
    WHERE e.type IN (65, 66, 68) GROUP BY d.id;

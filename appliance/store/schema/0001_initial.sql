-- The tables of Postroom.
--
-- Times are nanoseconds since 1970 (UTC), UUIDs are 16 bytes of version 7,
-- booleans are 0 and 1. Ids are AUTOINCREMENT wherever something outside the
-- row remembers them (memory, a message, an upstream's log): a number that was
-- given away never means another row. For the same reason messages and
-- deliveries hold no foreign keys into configuration: history outlives it.

-- One row: what changes when somebody changes something.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    configuration INTEGER NOT NULL,  -- grows with each change of a configuration row
    suppressions INTEGER NOT NULL,   -- number of the last change of a suppression
    sealing_check BLOB               -- a known word under the sealing key
) STRICT;
INSERT INTO meta VALUES (1, 1, 0, NULL);

-- Who.

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE sub_account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES account,
    name TEXT NOT NULL,
    blocked INTEGER NOT NULL DEFAULT 0,
    created_ns INTEGER NOT NULL,
    UNIQUE (account, name)
) STRICT;

-- A person who may log in to the dashboard.
CREATE TABLE user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES account,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

-- A key or SMTP password: the hash, never the text.
CREATE TABLE credential (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES account,
    sub_account INTEGER REFERENCES sub_account,  -- NULL: a key of the whole account
    dialect TEXT NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    allowed_domains TEXT NOT NULL,               -- JSON list; empty: all
    created_ns INTEGER NOT NULL,
    revoked_ns INTEGER NOT NULL DEFAULT 0
) STRICT;

-- From where.

CREATE TABLE sender_domain (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    sub_account INTEGER NOT NULL REFERENCES sub_account,
    name TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    UNIQUE (sub_account, name)
) STRICT;

CREATE TABLE dkim_key (
    domain INTEGER NOT NULL REFERENCES sender_domain ON DELETE CASCADE,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    public TEXT NOT NULL,
    private_sealed BLOB NOT NULL,
    PRIMARY KEY (domain, selector)
) STRICT, WITHOUT ROWID;

-- A DNS record to publish and what is known of it.
CREATE TABLE domain_record (
    domain INTEGER NOT NULL REFERENCES sender_domain ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    host TEXT NOT NULL,
    type TEXT NOT NULL,
    value TEXT NOT NULL,
    proof TEXT NOT NULL,
    checked_ns INTEGER NOT NULL,
    failure TEXT NOT NULL,
    PRIMARY KEY (domain, purpose)
) STRICT, WITHOUT ROWID;

-- Through whom.

CREATE TABLE provider (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    security TEXT NOT NULL,
    username TEXT NOT NULL,
    password_sealed BLOB NOT NULL,
    auth_method TEXT NOT NULL,
    verify_certificate INTEGER NOT NULL,
    max_connections INTEGER NOT NULL,
    retry_plan TEXT NOT NULL
) STRICT;

CREATE TABLE pool (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    is_default INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX pool_default ON pool (is_default) WHERE is_default = 1;

-- A provider's part of a pool; the credit is what the draws so far owe it.
CREATE TABLE pool_share (
    pool INTEGER NOT NULL REFERENCES pool ON DELETE CASCADE,
    position INTEGER NOT NULL,
    provider INTEGER NOT NULL REFERENCES provider,
    percent INTEGER NOT NULL,
    credit INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pool, position),
    UNIQUE (pool, provider)
) STRICT, WITHOUT ROWID;

-- What.

-- Bodies in a table of their own, so that reads of the queue stay small.
CREATE TABLE content (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    data BLOB NOT NULL               -- content_codec.py
) STRICT;

-- One accepted submission; immutable. Its UUID is its first delivery's.
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    sub_account INTEGER NOT NULL,
    credential INTEGER,              -- NULL: sent by the operator
    domain INTEGER NOT NULL,
    content INTEGER NOT NULL REFERENCES content,
    pool INTEGER NOT NULL,
    sender TEXT NOT NULL,
    subject TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    webhook_url TEXT NOT NULL,
    detail BLOB NOT NULL,            -- detail_codec.py: to, cc, tracking, dimensions
    accepted_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX message_content ON message (content);      -- is a content still used
CREATE INDEX message_accepted ON message (accepted_ns); -- retention, lists by time

-- One recipient's copy: the unit of state, retry and events.
CREATE TABLE delivery (
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
    CHECK (state BETWEEN 0 AND 4),
    CHECK ((state = 0) = (due_ns IS NOT NULL)),           -- QUEUED and only it is due
    CHECK ((state IN (2, 3)) = (settled_ns IS NOT NULL))  -- SENT, DROPPED are the ends
) STRICT;
CREATE INDEX delivery_message ON delivery (message);
-- The claim reads this one from the front of each provider, and of those that
-- are not drawn yet (NULL); finished deliveries are not in it.
CREATE INDEX delivery_due ON delivery (provider, due_ns) WHERE due_ns IS NOT NULL;
-- What is neither due nor finished: in flight (few) and held.
CREATE INDEX delivery_taken ON delivery (state)
    WHERE due_ns IS NULL AND settled_ns IS NULL;

-- What became of it. Facts in words that outlive the rows they are about.
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    type INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    sub_account INTEGER NOT NULL,
    message BLOB NOT NULL,
    delivery BLOB NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    pool TEXT NOT NULL,
    provider TEXT NOT NULL,
    data TEXT NOT NULL               -- JSON object, flat
) STRICT;
CREATE INDEX event_message ON event (message);
CREATE INDEX event_delivery ON event (delivery);

-- Who gets no mail from a sub-account. A lifted row stays as the trace by which
-- memory elsewhere learns that it was lifted.
CREATE TABLE suppression (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    sub_account INTEGER NOT NULL REFERENCES sub_account,
    address TEXT NOT NULL,           -- Address.key
    reason INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    description TEXT NOT NULL,
    lifted INTEGER NOT NULL DEFAULT 0,
    change INTEGER NOT NULL,         -- meta.suppressions when the row last changed
    UNIQUE (sub_account, address)
) STRICT;
CREATE INDEX suppression_change ON suppression (change);

-- Mail that the capture provider kept for viewing; the newest only.
CREATE TABLE captured (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery BLOB NOT NULL UNIQUE,
    at_ns INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    raw BLOB NOT NULL
) STRICT;

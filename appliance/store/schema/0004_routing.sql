-- Choosing an upstream, and waiting for one that takes only so much in a time.

-- ==== Pools and throttles: store/pools.py, store/throttle.py, store/claim.py ====

ALTER TABLE pool ADD COLUMN routing INTEGER NOT NULL DEFAULT 2;  -- core/pool.py Routing
ALTER TABLE pool ADD COLUMN overflow INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pool ADD COLUMN overflow_pool INTEGER REFERENCES pool;
ALTER TABLE pool ADD COLUMN created_ns INTEGER NOT NULL DEFAULT 0;

-- A provider's part of a route of a pool; the credit is what the draws so far owe it.
-- Every member is in the route '', with a weight of 0 where it has no share; the
-- routes of keys come beside it.
CREATE TABLE pool_share_new (
    pool INTEGER NOT NULL REFERENCES pool ON DELETE CASCADE,
    route TEXT NOT NULL,
    place INTEGER NOT NULL,          -- of the route among those of its pool
    position INTEGER NOT NULL,       -- of the provider in the route
    provider INTEGER NOT NULL REFERENCES provider,
    percent INTEGER NOT NULL,        -- the weight: a percentage, or 1
    credit INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pool, route, position),
    UNIQUE (pool, route, provider)
) STRICT, WITHOUT ROWID;
INSERT INTO pool_share_new
    SELECT pool, '', 0, position, provider, percent, credit FROM pool_share;
DROP TABLE pool_share;
ALTER TABLE pool_share_new RENAME TO pool_share;

-- A limit of a provider with the tokens that are left of it. Its id is a queue of
-- its own (delivery.queue), so it is never given away twice.
CREATE TABLE throttle (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider INTEGER NOT NULL REFERENCES provider ON DELETE CASCADE,
    scope TEXT NOT NULL,             -- 'overall', 'class', 'domain'
    key TEXT NOT NULL,               -- '', a class, a domain
    per_hour INTEGER,                -- NULL: any number
    per_second INTEGER,
    hour_left INTEGER,               -- core/throttle.py Level; NULL: full
    second_left INTEGER,
    at_us INTEGER NOT NULL DEFAULT 0,
    since_ns INTEGER,                -- it holds mail back without a break since
    seen_ns INTEGER,                 -- when that was last seen to be so
    UNIQUE (provider, scope, key)
) STRICT;

-- Why it goes where it goes; '': not drawn yet, or drawn before this was kept.
ALTER TABLE delivery ADD COLUMN draw TEXT NOT NULL DEFAULT '';
-- In which of its provider's queues a delivery stands. 0: the plain one; below 0:
-- minus the number of its pool, which lets it go elsewhere if the provider is down;
-- above 0: the throttle whose token it waits for.
ALTER TABLE delivery ADD COLUMN queue INTEGER NOT NULL DEFAULT 0;
DROP INDEX delivery_due;
-- The claim reads each queue from its front, the next due first; what is in doubt is
-- not in it.
CREATE INDEX delivery_due ON delivery (provider, queue, due_ns, state)
    WHERE due_ns IS NOT NULL AND state = 0;
-- And if more is due than may go, it goes round the sub-accounts.
CREATE INDEX delivery_turn ON delivery (provider, queue, sub_account, due_ns, state)
    WHERE due_ns IS NOT NULL AND state = 0;

-- ==== Providers: store/providers.py =============================================

-- What its log agent may report with: a hash, and the end of it by which it is known.
ALTER TABLE provider ADD COLUMN event_key_hash BLOB;
ALTER TABLE provider ADD COLUMN event_key_hint TEXT NOT NULL DEFAULT '';
ALTER TABLE provider ADD COLUMN agent_last_seen_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE provider ADD COLUMN tested_ns INTEGER NOT NULL DEFAULT 0;   -- 0: never
ALTER TABLE provider ADD COLUMN created_ns INTEGER NOT NULL DEFAULT 0;
-- Connections wished for each class of recipients, as a JSON object; they limit nothing.
ALTER TABLE provider ADD COLUMN class_connections TEXT NOT NULL DEFAULT '{}';
CREATE UNIQUE INDEX provider_event_key ON provider (event_key_hash)
    WHERE event_key_hash IS NOT NULL;

-- ==== Domains: store/domains.py =================================================

-- Keys are replaced with an overlap: core/domain.py Stage.
ALTER TABLE dkim_key ADD COLUMN stage TEXT NOT NULL DEFAULT 'active';
-- When it came to this stage; 0: it is as old as the domain.
ALTER TABLE dkim_key ADD COLUMN since_ns INTEGER NOT NULL DEFAULT 0;

-- Several keys of a kind may be published at a time: the selector is in the key now.
CREATE TABLE domain_record_new (
    domain INTEGER NOT NULL REFERENCES sender_domain ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    selector TEXT NOT NULL,          -- of the DKIM key in it; '': none
    host TEXT NOT NULL,
    type TEXT NOT NULL,
    value TEXT NOT NULL,
    proof TEXT NOT NULL,
    checked_ns INTEGER NOT NULL,
    failure TEXT NOT NULL,
    misses INTEGER NOT NULL DEFAULT 0,     -- daily looks in a row that failed
    missed_ns INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (domain, purpose, selector)
) STRICT, WITHOUT ROWID;
INSERT INTO domain_record_new
    SELECT r.domain, purpose, coalesce(k.selector, ''), host, type, value, proof,
        checked_ns, failure, 0, 0
    FROM domain_record AS r LEFT JOIN dkim_key AS k ON k.domain = r.domain
        AND k.algorithm = CASE purpose WHEN 'dkim' THEN 'rsa-sha256'
            WHEN 'dkim-ed25519' THEN 'ed25519-sha256' END;
DROP TABLE domain_record;
ALTER TABLE domain_record_new RENAME TO domain_record;

-- ==== Recipient classes: store/recipient_classes.py =============================

-- What MX records said of recipients' domains: core/recipient_class.py. The index
-- finds the oldest, which are forgotten when there are too many.
CREATE TABLE recipient_class (
    domain TEXT PRIMARY KEY,
    class TEXT NOT NULL,
    checked_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_class_checked ON recipient_class (checked_ns);

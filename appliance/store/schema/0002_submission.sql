-- Mail that comes in over SMTP: logins, what they may, and what they repeat.

-- The user name of an SMTP password, and where a key may be used from (a JSON list
-- of networks; empty: anywhere).
ALTER TABLE credential ADD COLUMN username TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN allowed_networks TEXT NOT NULL DEFAULT '[]';
CREATE UNIQUE INDEX credential_username ON credential (username)
    WHERE username <> '' AND revoked_ns = 0;

-- What is tracked in mail that says nothing about it, as all SMTP mail does.
ALTER TABLE sender_domain ADD COLUMN track_opens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sender_domain ADD COLUMN track_clicks INTEGER NOT NULL DEFAULT 0;

-- What the sender attached: a JSON object; empty text: nothing.
ALTER TABLE event ADD COLUMN dimensions TEXT NOT NULL DEFAULT '';

-- Requests that name themselves, so that one that comes again is not a second mail.
CREATE TABLE idempotency (
    sub_account INTEGER NOT NULL,
    key BLOB NOT NULL,               -- hash of the name
    fingerprint BLOB NOT NULL,       -- hash of what came under it
    deliveries BLOB NOT NULL,        -- what it was answered with: idempotency.py
    at_ns INTEGER NOT NULL,
    PRIMARY KEY (sub_account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at_ns);

-- Addresses (IPv6: /64 networks) whose logins failed too often.
CREATE TABLE login_block (
    address TEXT PRIMARY KEY,
    blocks INTEGER NOT NULL,         -- how many in a row, each longer than the last
    blocked_ns INTEGER NOT NULL,
    until_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

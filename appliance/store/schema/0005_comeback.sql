-- What comes back: who gets no more mail, and what is heard of the mail that left.

-- ==== Suppression: store/suppressions.py ====

-- Who added an entry (core/suppression.py Source), which the reason told until now,
-- and the delivery that was the cause.
ALTER TABLE suppression ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
ALTER TABLE suppression ADD COLUMN delivery BLOB;
UPDATE suppression SET source = reason;
CREATE INDEX suppression_when ON suppression (sub_account, at_ns);

-- ==== Reports: store/reports.py, store/deferrals.py ====

-- What an upstream still tries: no event, and kept for a few days only.
CREATE TABLE deferral (
    delivery INTEGER PRIMARY KEY,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    code INTEGER NOT NULL,
    enhanced TEXT NOT NULL,
    text TEXT NOT NULL,
    relay TEXT NOT NULL
) STRICT;
CREATE INDEX deferral_last ON deferral (last_ns);

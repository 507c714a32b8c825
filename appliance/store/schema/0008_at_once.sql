-- ==== Limits: store/limits.py, store/tokens.py ==================================

-- How much mail of a class or domain may be under way at a time; NULL: any number.
ALTER TABLE throttle ADD COLUMN at_once INTEGER;
-- What the vendor's own calls said of connections was kept, and now is true. The column
-- stays, for a program that is older and may run yet reads it; nobody writes it.
INSERT INTO throttle (provider, scope, key, at_once)
    SELECT p.id, 'class', wish.key, wish.value
    FROM provider AS p, json_each(p.class_connections) AS wish WHERE true
    ON CONFLICT (provider, scope, key) DO UPDATE SET at_once = excluded.at_once;

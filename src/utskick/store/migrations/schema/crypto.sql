-- The data keys of envelope encryption, wrapped by the keys of the settings (docs/explanation/adr/0009).

-- period: '2026-01' for the key of a month; 'index' for the key of a municipality that parties and
-- files are found by; 'people-<n>', of municipality '', for the keys of the directory. The row of a
-- destroyed key stays, so that no process makes another one in its place.
CREATE TABLE vault_keys (
    municipality_id text NOT NULL,
    period text NOT NULL,
    created_at timestamptz NOT NULL,
    destroyed_at timestamptz,
    PRIMARY KEY (municipality_id, period)
);

-- While the settings' key is rotated, a data key is wrapped by the old one and by the new one.
CREATE TABLE vault_wraps (
    municipality_id text NOT NULL,
    period text NOT NULL,
    wrapped_by text NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (municipality_id, period, wrapped_by),
    FOREIGN KEY (municipality_id, period) REFERENCES vault_keys
);

-- One value encrypted by the directory's key: says that keys have been made, also where the two
-- tables above are missing from a restored backup.
CREATE TABLE vault_check (one boolean PRIMARY KEY CHECK (one), sealed bytea NOT NULL);

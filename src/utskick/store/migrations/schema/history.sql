-- Statistics: counts by day, kept up to date from the feed of events.
CREATE TABLE tallies (
    municipality_id text NOT NULL,
    day date NOT NULL,
    original_type text NOT NULL,
    message_type text NOT NULL,
    origin text NOT NULL,
    department text NOT NULL,
    word text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (municipality_id, day, original_type, message_type, origin, department, word)
);

-- Up to where in the feed a reader has come: everything before transaction tx.
CREATE TABLE watermarks (
    name text NOT NULL,
    municipality_id text NOT NULL,
    tx bigint NOT NULL,
    PRIMARY KEY (name, municipality_id)
);

SELECT utskick_guard(t) FROM unnest(ARRAY['tallies', 'watermarks']::regclass[]) t;

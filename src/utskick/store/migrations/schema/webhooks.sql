-- Webhooks: who is called, up to which position in the feed, and the call that is under way.

-- client: the client that owns it; '' where no token was required. (tx, event_id): everything up to
-- there has been put into calls. due_at: when it may be claimed; also the end of a claim.
CREATE TABLE webhooks (
    municipality_id text NOT NULL,
    id uuid NOT NULL,
    origin text NOT NULL,
    client text NOT NULL DEFAULT '',
    url bytea NOT NULL,
    statuses text[] NOT NULL,
    description text,
    secret bytea NOT NULL,
    old_secret bytea,
    old_secret_until timestamptz,
    created_at timestamptz NOT NULL,
    tx bigint NOT NULL,
    event_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    claim uuid,
    stopped text CHECK (stopped IN ('gone', 'exhausted')),
    stopped_at timestamptz,
    succeeded_at timestamptz,
    failed_at timestamptz,
    fault jsonb,
    PRIMARY KEY (municipality_id, id)
);
CREATE INDEX webhooks_due ON webhooks (due_at) WHERE stopped IS NULL;
CREATE INDEX webhooks_owner ON webhooks (municipality_id, origin, client);

CREATE TABLE webhook_calls (
    municipality_id text NOT NULL,
    webhook_id uuid NOT NULL,
    id uuid NOT NULL,
    body bytea NOT NULL,
    events smallint NOT NULL,
    failures smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (municipality_id, webhook_id),
    FOREIGN KEY (municipality_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);

SELECT utskick_guard(t) FROM unnest(ARRAY['webhooks', 'webhook_calls']::regclass[]) t;

-- The directory: parties, contact settings with their channels, delegates with their filters,
-- subscriptions to push messages.
--
-- What identifies a person is encrypted (crypto/cipher.py); what must be found without being
-- decrypted stands beside it as a keyed hash (…_key). Foreign keys delete what depends on a row:
-- these tables change seldom, unlike those of messages (docs/explanation/adr/0004).

CREATE TABLE parties (
    municipality_id text NOT NULL,
    party_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('PRIVATE', 'ENTERPRISE')),
    legal_id bytea NOT NULL,
    legal_key bytea NOT NULL,
    protected boolean NOT NULL,
    names bytea NOT NULL,
    address bytea NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, party_id)
);
CREATE UNIQUE INDEX parties_legal ON parties (municipality_id, legal_key);

CREATE TABLE contact_settings (
    municipality_id text NOT NULL,
    id uuid NOT NULL,
    party_id uuid,
    created_by_id uuid,
    alias bytea,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, created_by_id) REFERENCES contact_settings ON DELETE CASCADE,
    CHECK (party_id IS NOT NULL OR created_by_id IS NOT NULL)
);
CREATE UNIQUE INDEX contact_settings_party ON contact_settings (municipality_id, party_id);
CREATE INDEX contact_settings_creator ON contact_settings (municipality_id, created_by_id);

CREATE TABLE contact_channels (
    municipality_id text NOT NULL,
    setting_id uuid NOT NULL,
    position smallint NOT NULL,
    method text NOT NULL,
    alias bytea,
    destination bytea NOT NULL,
    destination_key bytea NOT NULL,
    disabled boolean NOT NULL,
    PRIMARY KEY (municipality_id, setting_id, position),
    FOREIGN KEY (municipality_id, setting_id) REFERENCES contact_settings ON DELETE CASCADE
);
CREATE INDEX contact_channels_destination ON contact_channels (municipality_id, destination_key);

CREATE TABLE delegates (
    municipality_id text NOT NULL,
    id uuid NOT NULL,
    principal_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, id),
    UNIQUE (municipality_id, principal_id, agent_id),
    FOREIGN KEY (municipality_id, principal_id) REFERENCES contact_settings ON DELETE CASCADE,
    FOREIGN KEY (municipality_id, agent_id) REFERENCES contact_settings ON DELETE CASCADE
);
CREATE INDEX delegates_agent ON delegates (municipality_id, agent_id);

CREATE TABLE delegate_filters (
    municipality_id text NOT NULL,
    id uuid NOT NULL,
    delegate_id uuid NOT NULL,
    alias bytea,
    channel text,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, delegate_id) REFERENCES delegates ON DELETE CASCADE
);
CREATE INDEX delegate_filters_delegate ON delegate_filters (municipality_id, delegate_id);

CREATE TABLE filter_rules (
    municipality_id text NOT NULL,
    filter_id uuid NOT NULL,
    position smallint NOT NULL,
    attribute_name text NOT NULL,
    operator text NOT NULL CHECK (operator IN ('EQUALS', 'NOT_EQUALS')),
    attribute_value bytea NOT NULL,
    PRIMARY KEY (municipality_id, filter_id, position),
    FOREIGN KEY (municipality_id, filter_id) REFERENCES delegate_filters ON DELETE CASCADE
);

CREATE TABLE push_subscriptions (
    municipality_id text NOT NULL,
    id uuid NOT NULL,
    party_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('webpush', 'fcm')),
    address bytea NOT NULL,
    address_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, id),
    UNIQUE (municipality_id, party_id, address_key)
);

SELECT utskick_guard(t) FROM unnest(ARRAY[
    'parties', 'contact_settings', 'contact_channels', 'delegates', 'delegate_filters',
    'filter_rules', 'push_subscriptions']::regclass[]) t;

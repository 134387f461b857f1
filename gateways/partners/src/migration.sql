CREATE TABLE partners (
    partner    TEXT   NOT NULL PRIMARY KEY,
    class      TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- Keys, live and revoked. The secret itself is kept nowhere.
CREATE TABLE partner_keys (
    key_id        TEXT   NOT NULL PRIMARY KEY,
    partner       TEXT   NOT NULL,
    secret_sha256 TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    revoked_at    BIGINT,
    -- To the minute.
    used_at       BIGINT
);

CREATE INDEX partner_keys_partner ON partner_keys (partner, created_at, key_id);

-- Files that partners sent before their orders.
CREATE TABLE partner_uploads (
    upload_id  TEXT   NOT NULL PRIMARY KEY,
    partner    TEXT   NOT NULL,
    sha256     TEXT   NOT NULL,
    format     TEXT   NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Every turn of a lane's switch; the last one counts.
CREATE TABLE partner_lanes (
    lane      TEXT   NOT NULL,
    turn      BIGINT NOT NULL,
    intake    TEXT   NOT NULL,
    reason    TEXT   NOT NULL,
    turned_by TEXT   NOT NULL,
    turned_at BIGINT NOT NULL,
    PRIMARY KEY (lane, turn)
);

CREATE INDEX partner_uploads_partner ON partner_uploads (partner, created_at);

-- Every order as the ledger needs it, with the gaps it has open.
CREATE TABLE gap_orders (
    order_id     TEXT   NOT NULL PRIMARY KEY,
    version      BIGINT NOT NULL,
    channel      TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    held         BIGINT NOT NULL,
    held_at      BIGINT,
    -- In its stage since; all of pricing counts as one.
    since_at     BIGINT NOT NULL,
    holder       TEXT,
    lease_until  BIGINT,
    failures     BIGINT NOT NULL,
    -- The last step that was not the engine's timer.
    last_type    TEXT   NOT NULL,
    last_version BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    -- JSON.
    open         TEXT   NOT NULL
);

-- Gaps, open ones and closed ones: a closed one stays as it last was.
CREATE TABLE gaps (
    gap_id       TEXT   NOT NULL PRIMARY KEY,
    order_id     TEXT   NOT NULL,
    cause        TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    channel      TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    held         BIGINT NOT NULL,
    since_at     BIGINT NOT NULL,
    expected_at  BIGINT NOT NULL,
    holder       TEXT,
    failures     BIGINT NOT NULL,
    last_type    TEXT   NOT NULL,
    last_version BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    opened_at    BIGINT NOT NULL,
    closed_at    BIGINT,
    closed_by    TEXT
);

CREATE INDEX gaps_open ON gaps (opened_at, gap_id) WHERE closed_at IS NULL;
CREATE INDEX gaps_opened ON gaps (opened_at, gap_id);
CREATE INDEX gaps_cause ON gaps (cause, opened_at, gap_id);
CREATE INDEX gaps_order ON gaps (order_id, opened_at, gap_id);

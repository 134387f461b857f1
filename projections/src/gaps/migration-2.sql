-- The stage's deadline as the order's last event had it, and where the order lies, so that a dead engine shows. The
-- ledger comes back from the log.
DROP TABLE gap_orders;
DROP TABLE gaps;
DELETE FROM offsets WHERE model = 'gaps';
DELETE FROM parked WHERE model = 'gaps';

-- Every order as the ledger needs it, with the gaps it has open.
CREATE TABLE gap_orders (
    order_id      TEXT   NOT NULL PRIMARY KEY,
    version       BIGINT NOT NULL,
    channel       TEXT   NOT NULL,
    status        TEXT   NOT NULL,
    stage         TEXT   NOT NULL,
    held          BIGINT NOT NULL,
    held_at       BIGINT,
    -- In its stage since; all of pricing counts as one.
    since_at      BIGINT NOT NULL,
    holder        TEXT,
    lease_until   BIGINT,
    failures      BIGINT NOT NULL,
    -- The last step that was not the engine's timer.
    last_type     TEXT   NOT NULL,
    last_version  BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    -- JSON.
    open          TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    -- When the engine is to say that the order has not left its stage; NULL once it has, and while it has not to.
    due_at        BIGINT
);

CREATE INDEX gap_orders_due ON gap_orders (due_at, order_id) WHERE due_at IS NOT NULL;

-- When the engine of a partition last wrote an event.
CREATE TABLE gap_partitions (
    log_partition BIGINT NOT NULL PRIMARY KEY,
    last_at       BIGINT NOT NULL
);

-- Gaps, open ones and closed ones: a closed one stays as it last was, until it is old.
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
CREATE INDEX gaps_closed ON gaps (closed_at) WHERE closed_at IS NOT NULL;

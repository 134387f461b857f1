-- Every order, so that one that reaches the works is complete; `work` is null while it is not there.
CREATE TABLE queue_items (
    order_id     TEXT   NOT NULL PRIMARY KEY,
    version      BIGINT NOT NULL,
    status       TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    work         TEXT,
    holder       TEXT,
    material     TEXT   NOT NULL,
    quantity     BIGINT NOT NULL,
    finish       TEXT   NOT NULL,
    model_sha256 TEXT,
    held         BIGINT NOT NULL,
    due_at       BIGINT,
    -- What the queue is sorted by: the last known deadline.
    rank_at      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE INDEX queue_items_due ON queue_items (rank_at, order_id) WHERE work IS NOT NULL;
CREATE INDEX queue_items_work ON queue_items (work, rank_at, order_id) WHERE work IS NOT NULL;
CREATE INDEX queue_items_holder ON queue_items (holder, rank_at, order_id) WHERE holder IS NOT NULL;

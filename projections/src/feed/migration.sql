-- Orders of partners, as far as the feed has to know them.
CREATE TABLE feed_orders (
    order_id       TEXT   NOT NULL PRIMARY KEY,
    partner        TEXT   NOT NULL,
    reference      TEXT,
    version        BIGINT NOT NULL,
    seen_version   BIGINT NOT NULL,
    sequence       BIGINT NOT NULL,
    status         TEXT   NOT NULL,
    stage          TEXT   NOT NULL,
    held           BIGINT NOT NULL,
    price_minor    BIGINT,
    price_currency TEXT,
    -- The business request that created the order: the same request again is the same order.
    request_id     TEXT   NOT NULL,
    created_at     BIGINT NOT NULL
);

CREATE INDEX feed_orders_created ON feed_orders (partner, created_at, order_id);
CREATE INDEX feed_orders_reference ON feed_orders (partner, reference) WHERE reference IS NOT NULL;
CREATE INDEX feed_orders_status ON feed_orders (partner, status);

-- What partners were shown, by its place in the log.
CREATE TABLE feed_entries (
    log_partition    BIGINT NOT NULL,
    log_offset       BIGINT NOT NULL,
    partner          TEXT   NOT NULL,
    event_id         TEXT   NOT NULL,
    order_id         TEXT   NOT NULL,
    reference        TEXT,
    type             TEXT   NOT NULL,
    status           TEXT   NOT NULL,
    held             BIGINT NOT NULL,
    price_minor      BIGINT,
    price_currency   TEXT,
    version          BIGINT NOT NULL,
    previous_version BIGINT NOT NULL,
    sequence         BIGINT NOT NULL,
    at               BIGINT NOT NULL,
    PRIMARY KEY (log_partition, log_offset)
);

CREATE INDEX feed_entries_partner ON feed_entries (partner, log_partition, log_offset);

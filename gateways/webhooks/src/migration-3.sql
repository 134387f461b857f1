-- Messages were kept once for each endpoint. Now they are kept once, numbered; an endpoint has a place among its
-- partner's messages, and a row only for each that it was sent or that waits for another attempt.

-- What partners are told. Numbers are given out under the lock of those who write, so a later one is committed later.
CREATE TABLE webhook_messages (
    partner       TEXT   NOT NULL,
    number        BIGINT NOT NULL,
    order_id      TEXT   NOT NULL,
    sequence      BIGINT NOT NULL,
    event_id      TEXT   NOT NULL,
    event_type    TEXT   NOT NULL,
    event_at      BIGINT NOT NULL,
    -- Of the event.
    log_partition BIGINT NOT NULL,
    log_offset    BIGINT NOT NULL,
    -- Of the event of the order's message before this one; null when there is none, or nobody knows any more.
    before_offset BIGINT,
    -- As for an endpoint that was sent the order's message before.
    body          TEXT   NOT NULL,
    PRIMARY KEY (partner, number)
);

INSERT INTO webhook_messages (partner, number, order_id, sequence, event_id, event_type, event_at, log_partition, log_offset, body)
SELECT e.partner, ROW_NUMBER() OVER (ORDER BY MIN(d.event_at), d.order_id, d.sequence), d.order_id, d.sequence, MIN(d.event_id),
       MIN(d.event_type), MIN(d.event_at), 0, 0, MIN(d.body)
FROM webhook_deliveries d JOIN webhook_endpoints e ON e.endpoint_id = d.endpoint_id
GROUP BY e.partner, d.order_id, d.sequence;

CREATE INDEX webhook_messages_event ON webhook_messages (event_id);
CREATE INDEX webhook_messages_order ON webhook_messages (order_id, number);

-- The number of the last message.
CREATE TABLE webhook_numbers (last BIGINT NOT NULL);
INSERT INTO webhook_numbers (last) SELECT COALESCE(MAX(number), 0) FROM webhook_messages;

-- Of the last event that showed something of an order; null when nobody knows any more.
ALTER TABLE webhook_orders ADD COLUMN told_offset BIGINT;

-- Its partner's messages up to this number are taken up: each has a row, or was not wanted. Of those after it, some
-- may have arrived already, which have a row too.
ALTER TABLE webhook_endpoints ADD COLUMN taken BIGINT NOT NULL DEFAULT 0;
-- What was wanted of messages up to a number, where that is not what is wanted now: JSON.
ALTER TABLE webhook_endpoints ADD COLUMN wanted_before TEXT NOT NULL DEFAULT '[]';
-- When it was enabled last.
ALTER TABLE webhook_endpoints ADD COLUMN enabled_at BIGINT NOT NULL DEFAULT 0;
UPDATE webhook_endpoints SET taken = (SELECT last FROM webhook_numbers);

ALTER TABLE webhook_deliveries RENAME TO webhook_deliveries_before;
DROP INDEX webhook_deliveries_log;
DROP INDEX webhook_deliveries_event;
DROP INDEX webhook_deliveries_pending;
DROP INDEX webhook_deliveries_given_up;
DROP INDEX webhook_deliveries_settled;

-- What became of a message at an endpoint. State: 0 pending, 1 delivered, 2 given up.
CREATE TABLE webhook_deliveries (
    endpoint_id   TEXT   NOT NULL,
    number        BIGINT NOT NULL,
    order_id      TEXT   NOT NULL,
    state         BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    settled_at    BIGINT,
    -- Of the last attempt.
    last_at       BIGINT,
    last_code     BIGINT,
    last_error    TEXT,
    last_answer   TEXT,
    last_ms       BIGINT,
    PRIMARY KEY (endpoint_id, number)
) WITHOUT ROWID;

INSERT INTO webhook_deliveries (endpoint_id, number, order_id, state, attempts, settled_at, last_at, last_code, last_error, last_answer, last_ms)
SELECT d.endpoint_id, m.number, d.order_id, d.state, d.attempts, d.settled_at, d.last_at, d.last_code, d.last_error, d.last_answer, d.last_ms
FROM webhook_deliveries_before d JOIN webhook_endpoints e ON e.endpoint_id = d.endpoint_id
JOIN webhook_messages m ON m.order_id = d.order_id AND m.sequence = d.sequence AND m.partner = e.partner;

CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, order_id, number) WHERE state = 0;
CREATE INDEX webhook_deliveries_given_up ON webhook_deliveries (endpoint_id, order_id, number) WHERE state = 2;

DROP TABLE webhook_deliveries_before;

-- The first of each order's messages that has a row and is pending: what may be sent next of them.
ALTER TABLE webhook_heads ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_heads ADD COLUMN last_number BIGINT NOT NULL DEFAULT 0;
UPDATE webhook_heads SET
    number = COALESCE((SELECT MIN(d.number) FROM webhook_deliveries d
                       WHERE d.endpoint_id = webhook_heads.endpoint_id AND d.order_id = webhook_heads.order_id AND d.state = 0), 0),
    last_number = COALESCE((SELECT MAX(d.number) FROM webhook_deliveries d
                            WHERE d.endpoint_id = webhook_heads.endpoint_id AND d.order_id = webhook_heads.order_id AND d.state = 0), 0);
DELETE FROM webhook_heads WHERE number = 0;
ALTER TABLE webhook_heads DROP COLUMN sequence;
ALTER TABLE webhook_heads DROP COLUMN last_sequence;

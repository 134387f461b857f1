-- Where partners' messages go, and how that place is doing. Who delivers to it holds its lease.
CREATE TABLE webhook_endpoints (
    endpoint_id   TEXT   NOT NULL PRIMARY KEY,
    partner       TEXT   NOT NULL,
    url           TEXT   NOT NULL,
    -- Types wanted, separated by spaces; empty: all.
    events        TEXT   NOT NULL,
    -- The offsets of the log from which these types were wanted, by partition.
    events_from   TEXT   NOT NULL,
    description   TEXT   NOT NULL,
    -- In the clear: messages are signed with it.
    secret        TEXT   NOT NULL,
    -- The secret before, signed with as well until then.
    old_secret    TEXT,
    old_until     BIGINT,
    enabled       BIGINT NOT NULL,
    disabled_at   BIGINT,
    disabled_why  TEXT,
    created_at    BIGINT NOT NULL,
    -- Attempts that failed since the last that did not.
    failures      BIGINT NOT NULL,
    failing_since BIGINT,
    last_failure  TEXT,
    last_success_at BIGINT,
    -- Nothing is sent before then: the circuit opened, `opened` times in a row, or a pause was asked for.
    open_until    BIGINT,
    opened        BIGINT NOT NULL,
    paused_until  BIGINT,
    -- Raised when what failed before says nothing any more: enabled anew, another address.
    epoch         BIGINT NOT NULL DEFAULT 0,
    -- The time of the last event whose message has left the log of deliveries.
    pruned_to     BIGINT NOT NULL DEFAULT 0,
    lease         TEXT,
    -- When it is to be looked at: something is due, or the lease has run out. The largest number: never.
    ready_at      BIGINT NOT NULL
);

CREATE INDEX webhook_endpoints_partner ON webhook_endpoints (partner, created_at, endpoint_id);
CREATE INDEX webhook_endpoints_ready ON webhook_endpoints (ready_at, endpoint_id);
CREATE INDEX webhook_endpoints_lease ON webhook_endpoints (lease) WHERE lease IS NOT NULL;

-- One message to one endpoint. State: 0 pending, 1 delivered, 2 given up.
CREATE TABLE webhook_deliveries (
    endpoint_id   TEXT   NOT NULL,
    order_id      TEXT   NOT NULL,
    sequence      BIGINT NOT NULL,
    event_id      TEXT   NOT NULL,
    event_type    TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    event_at      BIGINT NOT NULL,
    state         BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    settled_at    BIGINT,
    -- Of the last attempt.
    last_at       BIGINT,
    last_code     BIGINT,
    last_error    TEXT,
    last_answer   TEXT,
    last_ms       BIGINT,
    PRIMARY KEY (endpoint_id, order_id, sequence)
);

CREATE INDEX webhook_deliveries_log ON webhook_deliveries (endpoint_id, event_at, event_id);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (endpoint_id, event_id);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, order_id, sequence) WHERE state = 0;
CREATE INDEX webhook_deliveries_given_up ON webhook_deliveries (endpoint_id, order_id, sequence) WHERE state = 2;
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (endpoint_id, settled_at) WHERE state = 1;

-- The first pending message of each order at each endpoint: what may be sent next.
CREATE TABLE webhook_heads (
    endpoint_id   TEXT   NOT NULL,
    order_id      TEXT   NOT NULL,
    sequence      BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    next_at       BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    first_failed_at BIGINT,
    -- Since when it could have been sent: the event, the message before it settled, or somebody asked for it again.
    since         BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, order_id)
);

CREATE INDEX webhook_heads_due ON webhook_heads (endpoint_id, next_at, since);
CREATE INDEX webhook_heads_oldest ON webhook_heads (since);

-- Partners' orders as their partners last saw them.
CREATE TABLE webhook_orders (
    order_id      TEXT   NOT NULL PRIMARY KEY,
    partner       TEXT   NOT NULL,
    reference     TEXT,
    version       BIGINT NOT NULL,
    seen_version  BIGINT NOT NULL,
    sequence      BIGINT NOT NULL,
    status        TEXT   NOT NULL,
    held          BIGINT NOT NULL,
    price_minor   BIGINT,
    price_currency TEXT
);

-- How far the log was read, moved in the transaction that writes what was read.
CREATE TABLE webhook_offsets (
    log_partition BIGINT NOT NULL PRIMARY KEY,
    next          BIGINT NOT NULL
);

-- Orders of which an event could not be read: nothing is told of them from that event on.
CREATE TABLE webhook_parked (
    order_id      TEXT   NOT NULL PRIMARY KEY,
    log_partition BIGINT NOT NULL,
    log_offset    BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    parked_at     BIGINT NOT NULL,
    -- An event of the order says which of its records do not count.
    skipped       BIGINT NOT NULL
);

CREATE INDEX webhook_parked_oldest ON webhook_parked (parked_at, order_id);

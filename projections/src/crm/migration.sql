CREATE TABLE crm_orders (
    order_id        TEXT   NOT NULL PRIMARY KEY,
    version         BIGINT NOT NULL,
    status          TEXT   NOT NULL,
    stage           TEXT   NOT NULL,
    channel         TEXT   NOT NULL,
    reference       TEXT,
    -- The reference in lower case, for searching.
    reference_text  TEXT,
    customer_name   TEXT,
    customer_email  TEXT,
    price_minor     BIGINT,
    price_currency  TEXT,
    price_lines     TEXT,
    held            BIGINT NOT NULL,
    hold_reason     TEXT,
    attention       TEXT   NOT NULL,
    -- Since when the order has needed a person without a break.
    attention_since BIGINT,
    due_at          BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE INDEX crm_orders_created ON crm_orders (created_at, order_id);
CREATE INDEX crm_orders_status ON crm_orders (status, created_at, order_id);
CREATE INDEX crm_orders_attention ON crm_orders (attention_since, order_id) WHERE attention_since IS NOT NULL;

-- Orders by status, kept with the rows: counting them costs more than everything else on the page.
CREATE TABLE crm_counts (
    status TEXT   NOT NULL PRIMARY KEY,
    orders BIGINT NOT NULL
);

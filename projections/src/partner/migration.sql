CREATE TABLE partner_orders (
    order_id         TEXT   NOT NULL PRIMARY KEY,
    partner          TEXT   NOT NULL,
    reference        TEXT,
    version          BIGINT NOT NULL,
    -- The versions at which what the partner sees last changed, and the time before.
    seen_version     BIGINT NOT NULL,
    previous_version BIGINT NOT NULL,
    status           TEXT   NOT NULL,
    stage            TEXT   NOT NULL,
    held             BIGINT NOT NULL,
    price_minor      BIGINT,
    price_currency   TEXT,
    price_lines      TEXT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);

CREATE INDEX partner_orders_created ON partner_orders (partner, created_at, order_id);
CREATE INDEX partner_orders_reference ON partner_orders (partner, reference) WHERE reference IS NOT NULL;

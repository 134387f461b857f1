CREATE TABLE shop_orders (
    order_id         TEXT   NOT NULL PRIMARY KEY,
    version          BIGINT NOT NULL,
    status           TEXT   NOT NULL,
    stage            TEXT   NOT NULL,
    held             BIGINT NOT NULL,
    hold_reason      TEXT,
    attention        TEXT   NOT NULL,
    material         TEXT   NOT NULL,
    quantity         BIGINT NOT NULL,
    finish           TEXT   NOT NULL,
    channel          TEXT   NOT NULL,
    client           TEXT   NOT NULL,
    reference        TEXT,
    model_sha256     TEXT,
    model_format     TEXT,
    model_size_bytes BIGINT,
    price_minor      BIGINT,
    price_currency   TEXT,
    price_lines      TEXT,
    carrier          TEXT,
    tracking         TEXT,
    due_at           BIGINT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);

CREATE INDEX shop_orders_tracking ON shop_orders (tracking, carrier) WHERE tracking IS NOT NULL;

CREATE TABLE shop_timeline (
    order_id    TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    type        TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    actor_role  TEXT   NOT NULL,
    actor_name  TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    detail      TEXT   NOT NULL,
    PRIMARY KEY (order_id, version)
);

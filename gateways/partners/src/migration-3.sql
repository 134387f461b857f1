-- Carriers' messages about parcels that no order was shipped with yet; gone once their order has decided on them.
CREATE TABLE carrier_messages (
    carrier      TEXT   NOT NULL,
    message_id   TEXT   NOT NULL,
    tracking     TEXT   NOT NULL,
    delivered_at BIGINT NOT NULL,
    received_at  BIGINT NOT NULL,
    PRIMARY KEY (carrier, message_id)
);

CREATE INDEX carrier_messages_received ON carrier_messages (received_at, carrier, message_id);

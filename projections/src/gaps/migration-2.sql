-- The stage's deadline as the order's last event had it, and where the order lies, so that a dead engine shows. Rows from
-- before do not say either: the ledger is made anew from the log.
DELETE FROM gap_orders;
DELETE FROM gaps;
DELETE FROM offsets WHERE model = 'gaps';
DELETE FROM parked WHERE model = 'gaps';

ALTER TABLE gap_orders ADD COLUMN log_partition BIGINT NOT NULL DEFAULT 0;
-- When the engine is to say that the order has not left its stage; NULL once it has, and while it has not to.
ALTER TABLE gap_orders ADD COLUMN due_at BIGINT;
CREATE INDEX gap_orders_due ON gap_orders (due_at, order_id) WHERE due_at IS NOT NULL;

-- When the engine of a partition last wrote an event.
CREATE TABLE gap_partitions (
    log_partition BIGINT NOT NULL PRIMARY KEY,
    last_at       BIGINT NOT NULL
);

-- Closed gaps go when they are old.
CREATE INDEX gaps_closed ON gaps (closed_at) WHERE closed_at IS NOT NULL;

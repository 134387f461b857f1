-- Leases run on while an order is on hold, so nobody needs to know since when it is.
ALTER TABLE gap_orders DROP COLUMN held_at;

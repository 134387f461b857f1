-- Messages about parcels that never turned up, let go by an administrator: who, when and why stays on record.
ALTER TABLE carrier_messages ADD COLUMN dismissed_at BIGINT;
ALTER TABLE carrier_messages ADD COLUMN dismissed_by TEXT;
ALTER TABLE carrier_messages ADD COLUMN dismissed_why TEXT;

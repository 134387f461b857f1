-- The request a key was made by, where it has an idempotency key.
ALTER TABLE partner_keys ADD COLUMN request TEXT;

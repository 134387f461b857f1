-- What an endpoint was asked for under an idempotency key, as a fingerprint; null where there was no key.
ALTER TABLE webhook_endpoints ADD COLUMN request TEXT;

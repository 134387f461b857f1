-- Orders of partners' sandboxes, whose work is null for ever.
ALTER TABLE queue_items ADD COLUMN sandbox BIGINT NOT NULL DEFAULT 0;

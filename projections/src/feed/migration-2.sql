-- The place of an entry among those of its partner, given out when it is written: what a cursor stands for.
ALTER TABLE feed_entries ADD COLUMN position BIGINT NOT NULL DEFAULT 0;

-- Entries from before keep the order of their partition, and come before all that are written from now on. None has 0,
-- after which a reader begins that has no cursor.
UPDATE feed_entries SET position = log_offset * 1024 + log_partition + 1;

DROP INDEX feed_entries_partner;
CREATE INDEX feed_entries_position ON feed_entries (partner, position);

-- The last place each partner was given.
CREATE TABLE feed_heads (
    partner TEXT   NOT NULL PRIMARY KEY,
    head    BIGINT NOT NULL
);

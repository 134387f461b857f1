-- Keys that open the partner's sandbox, and nothing else.
ALTER TABLE partner_keys ADD COLUMN sandbox BIGINT NOT NULL DEFAULT 0;

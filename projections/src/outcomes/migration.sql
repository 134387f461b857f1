CREATE TABLE outcomes (
    command_id TEXT   NOT NULL PRIMARY KEY,
    decided_at BIGINT NOT NULL,
    -- The outcome as JSON.
    outcome    TEXT   NOT NULL
);

CREATE INDEX outcomes_decided ON outcomes (decided_at);

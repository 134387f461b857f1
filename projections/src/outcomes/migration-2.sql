-- When the engine of a partition last decided a command, so that one that has nothing to write does not look dead.
CREATE TABLE outcome_partitions (
    log_partition BIGINT NOT NULL PRIMARY KEY,
    last_at       BIGINT NOT NULL
);

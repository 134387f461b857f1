-- How far each read model is, moved in the transaction that writes its rows.
CREATE TABLE offsets (
    model         TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    next          BIGINT NOT NULL,
    PRIMARY KEY (model, log_partition)
);

-- Orders set aside by a read model, by the key of the record that was not understood.
CREATE TABLE parked (
    record_key    TEXT   NOT NULL,
    model         TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    log_offset    BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    parked_at     BIGINT NOT NULL,
    skipped       BIGINT NOT NULL,
    PRIMARY KEY (record_key, model)
);

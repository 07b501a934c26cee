-- The epoch of the stock gate: only what was held under it is stored here.

CREATE TABLE IF NOT EXISTS t_gate (
  one TINYINT UNSIGNED NOT NULL COMMENT 'always 1; whoever stores new orders holds this row shared',
  epoch BIGINT UNSIGNED NOT NULL COMMENT 'raised whenever the gate is taken over',
  PRIMARY KEY (one)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO t_gate (one, epoch) VALUES (1, 0);

-- Stock gates kept in SQL: what the ledger last said, and the holds on top of it. Another context's ledger is not read.

CREATE TABLE IF NOT EXISTS t_gate_stock (
  product_id BIGINT UNSIGNED NOT NULL,
  version BIGINT UNSIGNED NULL COMMENT 'the version of the row in the ledger; none: only held, never heard of',
  received BIGINT NOT NULL,
  written_off BIGINT NOT NULL,
  free BIGINT NOT NULL,
  held BIGINT NOT NULL,
  sold BIGINT NOT NULL,
  undecided BIGINT NOT NULL COMMENT 'sum of the holds in t_gate_hold',
  turn BIGINT UNSIGNED NOT NULL COMMENT 'grows with each change; the optimistic gate compares it',
  fence BIGINT UNSIGNED NOT NULL COMMENT 'of the last holder of the lock that wrote here',
  PRIMARY KEY (product_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_gate_hold (
  order_id BIGINT UNSIGNED NOT NULL,
  product_lines JSON NOT NULL,
  answer_id BINARY(16) NULL COMMENT 'hash of scope and key',
  scope VARCHAR(255) NULL,
  idempotency_key VARCHAR(255) NULL,
  deadline BIGINT NOT NULL COMMENT 'when somebody should ask; nothing ends by itself',
  PRIMARY KEY (order_id),
  UNIQUE KEY uk_answer (answer_id),
  KEY idx_deadline (deadline, order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

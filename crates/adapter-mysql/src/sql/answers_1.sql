-- Answers to calls that change this context and no order.

CREATE TABLE IF NOT EXISTS t_answer (
  id BINARY(16) NOT NULL COMMENT 'hash of scope and key',
  bucket SMALLINT UNSIGNED NOT NULL,
  scope VARCHAR(255) NOT NULL,
  idempotency_key VARCHAR(255) NOT NULL,
  fingerprint BIGINT UNSIGNED NOT NULL,
  status SMALLINT UNSIGNED NOT NULL,
  body MEDIUMTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY idx_created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

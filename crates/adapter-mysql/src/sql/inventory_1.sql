-- The durable ledger of stock. The constraint is the law of the books; it can only ever catch a fault of the program.

CREATE TABLE IF NOT EXISTS t_stock (
  product_id BIGINT UNSIGNED NOT NULL,
  version BIGINT UNSIGNED NOT NULL,
  received BIGINT NOT NULL,
  written_off BIGINT NOT NULL,
  free BIGINT NOT NULL,
  held BIGINT NOT NULL,
  sold BIGINT NOT NULL,
  PRIMARY KEY (product_id),
  CONSTRAINT books_balance CHECK (received >= 0 AND written_off >= 0 AND free >= 0 AND held >= 0 AND sold >= 0
    AND received - written_off = free + held + sold)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_stock_ledger (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  reference VARCHAR(190) NOT NULL COMMENT 'the order, the return, or the delivery',
  product_id BIGINT UNSIGNED NOT NULL,
  kind VARCHAR(16) NOT NULL,
  qty BIGINT NOT NULL,
  actor VARCHAR(190) NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uk_movement (reference, product_id, kind),
  KEY idx_product (product_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_decision (
  order_id BIGINT UNSIGNED NOT NULL,
  decision TINYINT UNSIGNED NOT NULL COMMENT '0 deducted, 1 short, 2 void',
  lines_deducted JSON NOT NULL,
  given_back TINYINT UNSIGNED NOT NULL,
  decided_at BIGINT NOT NULL,
  PRIMARY KEY (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_guard (
  slot SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (slot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='stands in for rows that do not exist yet, so that they can be locked';

INSERT IGNORE INTO t_guard (slot)
WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 511) SELECT n FROM number;

-- Products, one document each.

CREATE TABLE IF NOT EXISTS t_product (
  id BIGINT UNSIGNED NOT NULL,
  version INT UNSIGNED NOT NULL,
  document JSON NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_product_number (
  one TINYINT UNSIGNED NOT NULL,
  last_given BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (one)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO t_product_number (one, last_given) VALUES (1, 0);

-- Every movement of money, once by reference and kind.

CREATE TABLE IF NOT EXISTS t_money (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  reference VARCHAR(190) NOT NULL COMMENT 'the attempt or the refund',
  kind VARCHAR(16) NOT NULL,
  order_id BIGINT UNSIGNED NOT NULL,
  amount BIGINT NOT NULL COMMENT 'minor units',
  currency CHAR(3) NOT NULL,
  provider_reference VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uk_entry (reference, kind),
  KEY idx_order (order_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

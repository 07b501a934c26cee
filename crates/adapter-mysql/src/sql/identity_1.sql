-- Log-in names and the stable numbers behind them.

CREATE TABLE IF NOT EXISTS t_user_name (
  name_hash BINARY(16) NOT NULL,
  name VARCHAR(1000) NOT NULL,
  user_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name_hash),
  UNIQUE KEY uk_user_id (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_user_number (
  one TINYINT UNSIGNED NOT NULL,
  last_given BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (one)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO t_user_number (one, last_given) VALUES (1, 0);

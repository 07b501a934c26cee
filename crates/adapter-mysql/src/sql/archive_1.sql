-- Orders of months that are over. An order is in t_order or here, never in both and never in neither.

CREATE TABLE IF NOT EXISTS t_order_archive (
  id BIGINT UNSIGNED NOT NULL,
  user_id BIGINT UNSIGNED NOT NULL,
  bucket SMALLINT UNSIGNED NOT NULL,
  status TINYINT NOT NULL COMMENT 'numbers as in t_order',
  version INT UNSIGNED NOT NULL,
  created_at BIGINT NOT NULL,
  body MEDIUMBLOB NOT NULL COMMENT 'a byte that names the form, then the whole order: 1 is JSON, deflated',
  PRIMARY KEY (id),
  KEY idx_user_id (user_id, id),
  KEY idx_status (status, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='orders put away, one row each';

CREATE TABLE IF NOT EXISTS t_archived_month (
  month INT UNSIGNED NOT NULL COMMENT 'year * 100 + month',
  orders BIGINT UNSIGNED NOT NULL COMMENT 'put away under this month, those that came back later included',
  began_at BIGINT NOT NULL,
  ended_at BIGINT NULL COMMENT 'its partition is gone',
  PRIMARY KEY (month)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='what doos archive has done here';

-- An order shard. Times are milliseconds since 1970, amounts are minor units, ids are below 2^63.

CREATE TABLE IF NOT EXISTS t_bucket (
  bucket SMALLINT UNSIGNED NOT NULL COMMENT 'user_id mod 1024',
  epoch BIGINT UNSIGNED NOT NULL COMMENT 'raised each time the bucket comes to a shard',
  state TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '0 open, 1 moved away, 2 coming in',
  PRIMARY KEY (bucket)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='slices of users this shard owns';

CREATE TABLE IF NOT EXISTS t_order (
  id BIGINT UNSIGNED NOT NULL COMMENT '41 bits ms since 2026, 10 bucket, 6 worker, 6 sequence',
  user_id BIGINT UNSIGNED NOT NULL COMMENT 'decides about bucket and shard',
  bucket SMALLINT UNSIGNED NOT NULL,
  status TINYINT NOT NULL COMMENT '0 pending, 1 paid, 2 shipped, 3 cancelled, 4 ship_failed, 5 confirmed, 6 delivered, 7 returned',
  version INT UNSIGNED NOT NULL COMMENT 'counts up by one with each change',
  total_amount BIGINT NOT NULL COMMENT 'minor units',
  currency CHAR(3) NOT NULL,
  items JSON NOT NULL COMMENT 'lines with their unit prices',
  address TEXT NULL,
  quote JSON NULL COMMENT 'what pricing says beyond lines and total',
  detail JSON NOT NULL COMMENT 'money, parcel, reason of a cancel',
  history JSON NOT NULL COMMENT 'every move with time, actor and reason',
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY idx_user_id (user_id, id),
  KEY idx_status (status, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='orders, one row each'
PARTITION BY RANGE (id) (PARTITION p_rest VALUES LESS THAN MAXVALUE);

CREATE TABLE IF NOT EXISTS t_answer (
  id BINARY(16) NOT NULL COMMENT 'hash of scope and key',
  bucket SMALLINT UNSIGNED NOT NULL,
  scope VARCHAR(255) NOT NULL,
  idempotency_key VARCHAR(255) NOT NULL,
  fingerprint BIGINT UNSIGNED NOT NULL COMMENT 'of the call that was answered',
  status SMALLINT UNSIGNED NOT NULL,
  body MEDIUMTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY idx_created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='what a key was told';

CREATE TABLE IF NOT EXISTS t_void (
  id BIGINT UNSIGNED NOT NULL,
  bucket SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='order ids given up for ever';

CREATE TABLE IF NOT EXISTS t_id_mark (
  worker TINYINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  mark BIGINT NOT NULL COMMENT 'ids of this worker below it may have been issued',
  PRIMARY KEY (worker)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_writer (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  opened_at BIGINT NOT NULL,
  last_group BIGINT UNSIGNED NOT NULL COMMENT 'number of the last group this connection committed',
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='tells whether a COMMIT without a reply was one';

-- What the orders add up to. Every row belongs to an epoch: one that begins anew is filled beside the one that is read.

CREATE TABLE IF NOT EXISTS t_standing (
  one TINYINT UNSIGNED NOT NULL COMMENT 'always 1; whoever adds something holds this row',
  epoch BIGINT UNSIGNED NOT NULL,
  served BIGINT UNSIGNED NOT NULL COMMENT 'the epoch that is read',
  token TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the place in the change feed',
  walk TINYINT UNSIGNED NOT NULL COMMENT '0 done, 1 all is to come, 2 what is below walk_below',
  walk_below BIGINT UNSIGNED NOT NULL,
  utc_offset_minutes BIGINT NOT NULL COMMENT 'where its days begin',
  minutes_from BIGINT NOT NULL COMMENT 'nothing before is kept by the minute',
  hours_from BIGINT NOT NULL COMMENT 'nothing before is kept by the hour',
  PRIMARY KEY (one)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_contribution (
  epoch BIGINT UNSIGNED NOT NULL,
  order_id BIGINT UNSIGNED NOT NULL,
  body BLOB NOT NULL COMMENT 'what the order has added, to be taken back by its next version',
  PRIMARY KEY (epoch, order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_sales (
  epoch BIGINT UNSIGNED NOT NULL,
  step SMALLINT UNSIGNED NOT NULL COMMENT 'minutes; 0 is all time',
  currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  start BIGINT NOT NULL COMMENT 'its first minute since 1970',
  orders BIGINT NOT NULL,
  paid_orders BIGINT NOT NULL,
  units BIGINT NOT NULL,
  sales_minor BIGINT NOT NULL,
  refunded_minor BIGINT NOT NULL,
  PRIMARY KEY (epoch, step, currency, start)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_product_sales (
  epoch BIGINT UNSIGNED NOT NULL,
  day BIGINT NOT NULL COMMENT 'its first minute since 1970',
  product_id BIGINT UNSIGNED NOT NULL,
  currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  orders BIGINT NOT NULL,
  units BIGINT NOT NULL,
  sales_minor BIGINT NOT NULL,
  PRIMARY KEY (epoch, day, product_id, currency)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_state_count (
  epoch BIGINT UNSIGNED NOT NULL,
  status TINYINT UNSIGNED NOT NULL,
  orders BIGINT NOT NULL,
  PRIMARY KEY (epoch, status)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

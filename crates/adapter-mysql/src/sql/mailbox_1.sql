-- What every context that reads or writes messages has: its outbox and its inbox.

CREATE TABLE IF NOT EXISTS t_local_message (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  message_id VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the same event always has the same one',
  tx_id VARCHAR(64) NOT NULL COMMENT 'the order',
  bucket SMALLINT UNSIGNED NOT NULL,
  topic VARCHAR(50) NOT NULL COMMENT 'the context it is for',
  payload JSON NOT NULL COMMENT 'the whole message',
  status TINYINT NOT NULL DEFAULT 0 COMMENT '0 ready, 1 published, 2 consumed, 3 failed',
  retry_count INT NOT NULL DEFAULT 0,
  next_retry BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uk_message_id (message_id),
  KEY idx_status_next_retry (status, next_retry)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='messages committed with what caused them';

CREATE TABLE IF NOT EXISTS t_progress (
  consumer VARCHAR(16) NOT NULL,
  bus_position BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (consumer)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS t_waiting (
  consumer VARCHAR(16) NOT NULL,
  message_id VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  order_id BIGINT UNSIGNED NOT NULL,
  arrival BIGINT UNSIGNED NOT NULL COMMENT 'order of arrival within its order',
  tries INT UNSIGNED NOT NULL,
  next_at BIGINT NOT NULL,
  cause TEXT NOT NULL,
  payload JSON NOT NULL,
  PRIMARY KEY (consumer, message_id),
  KEY idx_next_at (consumer, next_at),
  KEY idx_order (consumer, order_id, arrival)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='messages tried again later';

CREATE TABLE IF NOT EXISTS t_dead_letter (
  message_id VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  consumer VARCHAR(16) NOT NULL,
  order_id BIGINT UNSIGNED NOT NULL,
  arrival BIGINT UNSIGNED NOT NULL,
  tries INT UNSIGNED NOT NULL,
  cause TEXT NOT NULL,
  parked_at BIGINT NOT NULL,
  payload JSON NOT NULL,
  PRIMARY KEY (message_id),
  KEY idx_parked_at (parked_at, arrival, message_id),
  KEY idx_order (consumer, order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='messages given up on';

-- Moving buckets between shards. t_bucket.state: 0 open, 1 moved away, 2 coming in, 3 open and leaving, 4 closed for the
-- switch, 5 ready to be opened here.

CREATE TABLE IF NOT EXISTS t_move (
  id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'sorts by time; the same on source and target',
  source SMALLINT UNSIGNED NOT NULL,
  target SMALLINT UNSIGNED NOT NULL,
  buckets TEXT NOT NULL COMMENT 'JSON list',
  step TINYINT UNSIGNED NOT NULL COMMENT '0 planned, 1 copying, 2 verifying, 3 following, 4 switched, 5 clearing, 6 done',
  mover BIGINT UNSIGNED NOT NULL COMMENT 'of the program that may write; a later one fences those before',
  beat BIGINT UNSIGNED NOT NULL COMMENT 'on the target: counts the transactions that copied',
  walk TINYINT UNSIGNED NOT NULL COMMENT 'the table that the step has come to',
  after_key VARBINARY(16) NOT NULL COMMENT 'and the key in it',
  rows_copied BIGINT UNSIGNED NOT NULL,
  rows_verified BIGINT UNSIGNED NOT NULL,
  closed_at BIGINT NULL COMMENT 'since when the buckets take no writes, by the clock of this server',
  started_at BIGINT NOT NULL,
  ended_at BIGINT NULL,
  PRIMARY KEY (id),
  KEY idx_step (step)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='buckets on their way between two shards';

CREATE TABLE IF NOT EXISTS t_change_note (
  seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  bucket SMALLINT UNSIGNED NOT NULL,
  kind TINYINT UNSIGNED NOT NULL COMMENT '0 an order or a void, 1 an answer',
  what VARBINARY(16) NOT NULL COMMENT 'its key, numbers with the highest byte first',
  PRIMARY KEY (seq),
  KEY idx_bucket (bucket, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='what was written in a bucket while it was copied';

CREATE TABLE IF NOT EXISTS t_waiting_coming LIKE t_waiting;

CREATE TABLE IF NOT EXISTS t_dead_letter_coming LIKE t_dead_letter;

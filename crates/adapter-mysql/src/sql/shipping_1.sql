-- Parcels, one row an order.

CREATE TABLE IF NOT EXISTS t_shipment (
  order_id BIGINT UNSIGNED NOT NULL,
  tracking VARCHAR(255) NOT NULL,
  tries INT UNSIGNED NOT NULL,
  shipped_at BIGINT NOT NULL,
  delivered_at BIGINT NULL,
  PRIMARY KEY (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

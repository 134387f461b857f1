-- Lists by what changed last.
CREATE INDEX partner_orders_updated ON partner_orders (partner, updated_at, order_id);

-- What is made, and what needs a person. Rows from before do not say either: partners' orders are made anew from the log.
DELETE FROM partner_orders;
DELETE FROM offsets WHERE model = 'partner';
DELETE FROM parked WHERE model = 'partner';

ALTER TABLE partner_orders ADD COLUMN attention TEXT NOT NULL DEFAULT '[]';
ALTER TABLE partner_orders ADD COLUMN material TEXT NOT NULL DEFAULT '';
ALTER TABLE partner_orders ADD COLUMN quantity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE partner_orders ADD COLUMN finish TEXT NOT NULL DEFAULT '';

-- Seals price versions and inserts the first one: 0.10 USD per million input tokens, 0.05 for cached ones and
-- 0.40 per million output tokens, in integer nano-USD, for every model.
CREATE TRIGGER `price_versions_no_update` BEFORE UPDATE ON `price_versions`
BEGIN
	SELECT RAISE(ABORT, 'price versions are immutable');
END;
--> statement-breakpoint
CREATE TRIGGER `price_versions_no_delete` BEFORE DELETE ON `price_versions`
BEGIN
	SELECT RAISE(ABORT, 'price versions are immutable');
END;
--> statement-breakpoint
CREATE TRIGGER `model_prices_no_update` BEFORE UPDATE ON `model_prices`
BEGIN
	SELECT RAISE(ABORT, 'price versions are immutable');
END;
--> statement-breakpoint
CREATE TRIGGER `model_prices_no_delete` BEFORE DELETE ON `model_prices`
BEGIN
	SELECT RAISE(ABORT, 'price versions are immutable');
END;
--> statement-breakpoint
CREATE TRIGGER `model_prices_sealed` BEFORE INSERT ON `model_prices`
WHEN EXISTS (SELECT 1 FROM `price_versions` WHERE `id` = NEW.`version_id`)
BEGIN
	SELECT RAISE(ABORT, 'the price version is sealed');
END;
--> statement-breakpoint
INSERT INTO `model_prices` (
	`version_id`, `model`, `input_nano_usd_per_million`, `cached_input_nano_usd_per_million`, `output_nano_usd_per_million`
) VALUES ('plan_01kb0000000000000000000001', '*', 100000000, 50000000, 400000000);
--> statement-breakpoint
INSERT INTO `price_versions` (`id`, `created_at_ms`) VALUES ('plan_01kb0000000000000000000001', 1793491200000);

ALTER TABLE `api_keys` ADD `allowed_models` text;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `allowed_adapters` text;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `allowed_ips` text;
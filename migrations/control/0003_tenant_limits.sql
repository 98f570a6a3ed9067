ALTER TABLE `tenants` ADD `input_tokens_per_minute` integer;--> statement-breakpoint
ALTER TABLE `tenants` ADD `output_tokens_per_minute` integer;--> statement-breakpoint
ALTER TABLE `tenants` ADD `scope_limits` text DEFAULT '[]' NOT NULL;
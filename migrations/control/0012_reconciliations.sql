CREATE TABLE `reconciliations` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`checked_at_ms` integer NOT NULL,
	`is_exact` integer NOT NULL,
	`entries_difference` integer NOT NULL,
	`nano_usd_difference` integer NOT NULL,
	`sources_checked` integer NOT NULL,
	`sources_differing` integer NOT NULL,
	`records_difference` integer NOT NULL,
	`prompt_tokens_difference` integer NOT NULL,
	`cached_tokens_difference` integer NOT NULL,
	`output_tokens_difference` integer NOT NULL,
	`severity` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `reconciliations_by_severity` ON `reconciliations` (`severity`,`tenant_id`);--> statement-breakpoint
CREATE INDEX `reconciliations_by_time` ON `reconciliations` (`checked_at_ms`);
CREATE TABLE `ledger_entries` (
	`request_id` text NOT NULL,
	`attempt` integer NOT NULL,
	`entry_seq` integer NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`key_id` text NOT NULL,
	`node_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`model` text NOT NULL,
	`price_version` text NOT NULL,
	`finish_reason` text NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`computed_prompt_tokens` integer NOT NULL,
	`computed_cached_tokens` integer NOT NULL,
	`computed_output_tokens` integer NOT NULL,
	`billed_prompt_tokens` integer NOT NULL,
	`billed_cached_tokens` integer NOT NULL,
	`billed_output_tokens` integer NOT NULL,
	`billed_nano_usd` integer NOT NULL,
	`fault` text,
	`received_at_ms` integer NOT NULL,
	`queue_ms` integer NOT NULL,
	`ttft_ms` integer,
	`ended_at_ms` integer NOT NULL,
	PRIMARY KEY(`request_id`, `attempt`, `entry_seq`)
);
--> statement-breakpoint
CREATE INDEX `ledger_entries_by_tenant` ON `ledger_entries` (`tenant_id`,`ended_at_ms`);
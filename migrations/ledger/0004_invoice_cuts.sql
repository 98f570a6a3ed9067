CREATE TABLE `__new_ledger_entries` (
	`position` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
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
	`credit_nano_usd` integer DEFAULT 0 NOT NULL,
	`fault` text,
	`estimated` integer DEFAULT false NOT NULL,
	`received_at_ms` integer NOT NULL,
	`queue_ms` integer NOT NULL,
	`ttft_ms` integer,
	`ended_at_ms` integer NOT NULL
);
--> statement-breakpoint
-- Entries get positions in the order of their arrival.
INSERT INTO `__new_ledger_entries`(`request_id`, `attempt`, `entry_seq`, `tenant_id`, `project_id`, `key_id`, `node_id`, `epoch`, `model`, `price_version`, `finish_reason`, `prompt_tokens`, `computed_prompt_tokens`, `computed_cached_tokens`, `computed_output_tokens`, `billed_prompt_tokens`, `billed_cached_tokens`, `billed_output_tokens`, `billed_nano_usd`, `fault`, `estimated`, `received_at_ms`, `queue_ms`, `ttft_ms`, `ended_at_ms`) SELECT `request_id`, `attempt`, `entry_seq`, `tenant_id`, `project_id`, `key_id`, `node_id`, `epoch`, `model`, `price_version`, `finish_reason`, `prompt_tokens`, `computed_prompt_tokens`, `computed_cached_tokens`, `computed_output_tokens`, `billed_prompt_tokens`, `billed_cached_tokens`, `billed_output_tokens`, `billed_nano_usd`, `fault`, `estimated`, `received_at_ms`, `queue_ms`, `ttft_ms`, `ended_at_ms` FROM `ledger_entries` ORDER BY rowid;--> statement-breakpoint
DROP TABLE `ledger_entries`;--> statement-breakpoint
ALTER TABLE `__new_ledger_entries` RENAME TO `ledger_entries`;--> statement-breakpoint
CREATE UNIQUE INDEX `ledger_entries_identity` ON `ledger_entries` (`request_id`,`attempt`,`entry_seq`);--> statement-breakpoint
CREATE INDEX `ledger_entries_by_tenant` ON `ledger_entries` (`tenant_id`,`ended_at_ms`);--> statement-breakpoint
-- They went with the table that they were on.
CREATE TRIGGER `ledger_entries_no_update` BEFORE UPDATE ON `ledger_entries`
BEGIN
	SELECT RAISE(ABORT, 'the ledger is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `ledger_entries_no_delete` BEFORE DELETE ON `ledger_entries`
BEGIN
	SELECT RAISE(ABORT, 'the ledger is append-only');
END;

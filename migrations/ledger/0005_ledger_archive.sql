CREATE TABLE `ledger_archive_hours` (
	`tenant_id` text NOT NULL,
	`hour_ms` integer NOT NULL,
	`project_id` text NOT NULL,
	`key_id` text NOT NULL,
	`model` text NOT NULL,
	`entries` integer NOT NULL,
	`billed_prompt_tokens` integer NOT NULL,
	`billed_cached_tokens` integer NOT NULL,
	`billed_output_tokens` integer NOT NULL,
	`billed_nano_usd` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `hour_ms`, `project_id`, `key_id`, `model`)
);
--> statement-breakpoint
CREATE TABLE `ledger_archive_sources` (
	`tenant_id` text NOT NULL,
	`node_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`entries` integer NOT NULL,
	`computed_prompt_tokens` integer NOT NULL,
	`computed_cached_tokens` integer NOT NULL,
	`computed_output_tokens` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `node_id`, `epoch`)
);
--> statement-breakpoint
CREATE TABLE `ledger_archives` (
	`invoice_id` text NOT NULL,
	`part` integer NOT NULL,
	`tenant_id` text NOT NULL,
	`from_ended_ms` integer NOT NULL,
	`from_position` integer NOT NULL,
	`to_ended_ms` integer NOT NULL,
	`to_position` integer NOT NULL,
	`first_ended_ms` integer NOT NULL,
	`first_position` integer NOT NULL,
	`last_ended_ms` integer NOT NULL,
	`last_position` integer NOT NULL,
	`entries` integer NOT NULL,
	`billed_prompt_tokens` integer NOT NULL,
	`billed_cached_tokens` integer NOT NULL,
	`billed_output_tokens` integer NOT NULL,
	`billed_nano_usd` integer NOT NULL,
	`object_key` text NOT NULL,
	`object_bytes` integer NOT NULL,
	`sha256` text NOT NULL,
	`archived_at_ms` integer NOT NULL,
	PRIMARY KEY(`invoice_id`, `part`)
);
--> statement-breakpoint
CREATE INDEX `ledger_archives_by_tenant` ON `ledger_archives` (`tenant_id`);--> statement-breakpoint
-- An entry may go once its part's row is there, which says what is in the part.
DROP TRIGGER `ledger_entries_no_delete`;
--> statement-breakpoint
CREATE TRIGGER `ledger_entries_no_delete` BEFORE DELETE ON `ledger_entries`
WHEN NOT EXISTS (
	SELECT 1 FROM ledger_archives AS part WHERE part.tenant_id = OLD.tenant_id
		AND (OLD.ended_at_ms, OLD.position) >= (part.first_ended_ms, part.first_position)
		AND (OLD.ended_at_ms, OLD.position) <= (part.last_ended_ms, part.last_position)
		AND OLD.ended_at_ms < part.to_ended_ms AND OLD.position <= part.to_position
		AND (OLD.ended_at_ms >= part.from_ended_ms OR OLD.position > part.from_position)
)
BEGIN
	SELECT RAISE(ABORT, 'the ledger is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `ledger_archives_no_update` BEFORE UPDATE ON `ledger_archives`
BEGIN
	SELECT RAISE(ABORT, 'the archive is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `ledger_archives_no_delete` BEFORE DELETE ON `ledger_archives`
BEGIN
	SELECT RAISE(ABORT, 'the archive is append-only');
END;

ALTER TABLE `invoices` ADD `archive_started_at_ms` integer;--> statement-breakpoint
ALTER TABLE `invoices` ADD `archived_at_ms` integer;
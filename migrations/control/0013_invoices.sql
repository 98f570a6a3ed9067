CREATE TABLE `invoice_adjustments` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`amount_nano_usd` integer NOT NULL,
	`reason` text NOT NULL,
	`request_id` text,
	`created_at_ms` integer NOT NULL,
	`invoice_id` text,
	PRIMARY KEY(`tenant_id`, `id`),
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `invoice_adjustments_by_invoice` ON `invoice_adjustments` (`tenant_id`,`invoice_id`);--> statement-breakpoint
CREATE TABLE `invoice_lines` (
	`invoice_id` text NOT NULL,
	`line` integer NOT NULL,
	`adjustment_id` text,
	`content` text NOT NULL,
	PRIMARY KEY(`invoice_id`, `line`),
	FOREIGN KEY (`invoice_id`) REFERENCES `invoices`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `invoices` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`period_start_ms` integer NOT NULL,
	`status` text NOT NULL,
	`number` integer,
	`replaces_id` text,
	`from_ended_ms` integer NOT NULL,
	`from_position` integer NOT NULL,
	`to_ended_ms` integer NOT NULL,
	`to_position` integer NOT NULL,
	`entries` integer NOT NULL,
	`faulty_entries` integer NOT NULL,
	`usage_nano_usd` integer NOT NULL,
	`credit_nano_usd` integer NOT NULL,
	`adjustments_nano_usd` integer NOT NULL,
	`rounding_nano_usd` integer NOT NULL,
	`total_cents` integer NOT NULL,
	`revision` integer NOT NULL,
	`made_at_ms` integer NOT NULL,
	`finalized_at_ms` integer,
	`voided_at_ms` integer,
	`void_reason` text,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `invoices_number` ON `invoices` (`number`);--> statement-breakpoint
CREATE UNIQUE INDEX `invoices_one_draft` ON `invoices` (`tenant_id`,`period_start_ms`) WHERE status = 'draft';--> statement-breakpoint
CREATE UNIQUE INDEX `invoices_one_final` ON `invoices` (`tenant_id`,`period_start_ms`) WHERE status = 'final';--> statement-breakpoint
CREATE INDEX `invoices_by_tenant` ON `invoices` (`tenant_id`,`period_start_ms`);
--> statement-breakpoint
-- A final invoice stays as it is, but that it may become void.
CREATE TRIGGER `invoices_stay` BEFORE UPDATE ON `invoices`
WHEN OLD.number IS NOT NULL AND (
	(NEW.status IS NOT OLD.status AND NOT (OLD.status = 'final' AND NEW.status = 'void'))
	OR (NEW.id, NEW.tenant_id, NEW.period_start_ms, NEW.number, NEW.replaces_id, NEW.from_ended_ms, NEW.from_position,
		NEW.to_ended_ms, NEW.to_position, NEW.entries, NEW.faulty_entries, NEW.usage_nano_usd, NEW.credit_nano_usd,
		NEW.adjustments_nano_usd, NEW.rounding_nano_usd, NEW.total_cents, NEW.revision, NEW.made_at_ms,
		NEW.finalized_at_ms)
	IS NOT (OLD.id, OLD.tenant_id, OLD.period_start_ms, OLD.number, OLD.replaces_id, OLD.from_ended_ms, OLD.from_position,
		OLD.to_ended_ms, OLD.to_position, OLD.entries, OLD.faulty_entries, OLD.usage_nano_usd, OLD.credit_nano_usd,
		OLD.adjustments_nano_usd, OLD.rounding_nano_usd, OLD.total_cents, OLD.revision, OLD.made_at_ms,
		OLD.finalized_at_ms)
)
BEGIN
	SELECT RAISE(ABORT, 'a final invoice stays as it is');
END;
--> statement-breakpoint
CREATE TRIGGER `invoices_no_delete` BEFORE DELETE ON `invoices` WHEN OLD.number IS NOT NULL
BEGIN
	SELECT RAISE(ABORT, 'a final invoice stays as it is');
END;
--> statement-breakpoint
CREATE TRIGGER `invoice_lines_no_insert` BEFORE INSERT ON `invoice_lines`
WHEN (SELECT status FROM invoices WHERE id = NEW.invoice_id) IS NOT 'draft'
BEGIN
	SELECT RAISE(ABORT, 'a final invoice stays as it is');
END;
--> statement-breakpoint
CREATE TRIGGER `invoice_lines_no_update` BEFORE UPDATE ON `invoice_lines`
BEGIN
	SELECT RAISE(ABORT, 'a final invoice stays as it is');
END;
--> statement-breakpoint
CREATE TRIGGER `invoice_lines_no_delete` BEFORE DELETE ON `invoice_lines`
WHEN (SELECT status FROM invoices WHERE id = OLD.invoice_id) IS NOT 'draft'
BEGIN
	SELECT RAISE(ABORT, 'a final invoice stays as it is');
END;
--> statement-breakpoint
-- Adjustments are append-only; each is on one invoice at a time.
CREATE TRIGGER `invoice_adjustments_stay` BEFORE UPDATE ON `invoice_adjustments`
WHEN (NEW.tenant_id, NEW.id, NEW.amount_nano_usd, NEW.reason, NEW.request_id, NEW.created_at_ms)
	IS NOT (OLD.tenant_id, OLD.id, OLD.amount_nano_usd, OLD.reason, OLD.request_id, OLD.created_at_ms)
	OR (OLD.invoice_id IS NOT NULL AND NEW.invoice_id IS NOT NULL)
BEGIN
	SELECT RAISE(ABORT, 'adjustments are append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `invoice_adjustments_no_delete` BEFORE DELETE ON `invoice_adjustments`
BEGIN
	SELECT RAISE(ABORT, 'adjustments are append-only');
END;

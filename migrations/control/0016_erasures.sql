CREATE TABLE `erasures` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`phase` text NOT NULL,
	`counts` text NOT NULL,
	`requested_at_ms` integer NOT NULL,
	`erased_at_ms` integer,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `erasures_by_phase` ON `erasures` (`phase`);--> statement-breakpoint
-- Written by hand: the audit log stays append-only, but that of a tenant which is being erased loses addresses and details.
DROP TRIGGER `audit_log_no_update`;
--> statement-breakpoint
CREATE TRIGGER `audit_log_no_update` BEFORE UPDATE ON `audit_log`
WHEN NOT (
	NEW.ip IS NULL AND (NEW.details = OLD.details OR NEW.details = '{}')
	AND NEW.id = OLD.id AND NEW.at_ms = OLD.at_ms AND NEW.tenant_id IS OLD.tenant_id
	AND NEW.actor_kind = OLD.actor_kind AND NEW.actor_id = OLD.actor_id AND NEW.action = OLD.action
	AND NEW.target = OLD.target AND NEW.request_id = OLD.request_id
	AND EXISTS (SELECT 1 FROM tenants WHERE tenants.id = OLD.tenant_id AND tenants.status IN ('erasing', 'erased'))
)
BEGIN
	SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TABLE `audit_log` (
	`id` text PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`tenant_id` text,
	`actor_kind` text NOT NULL,
	`actor_id` text NOT NULL,
	`action` text NOT NULL,
	`target` text NOT NULL,
	`ip` text,
	`request_id` text NOT NULL,
	`details` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_log_by_tenant` ON `audit_log` (`tenant_id`,`id`);--> statement-breakpoint
ALTER TABLE `api_keys` ADD `rotated_from_id` text;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `grace_until_ms` integer;
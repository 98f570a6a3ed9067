CREATE TABLE `billing_customers` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`customer_id` text NOT NULL,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `billing_export` (
	`id` integer PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`url` text NOT NULL,
	`sealed_secret` text NOT NULL,
	`event_type` text NOT NULL,
	`meters` text NOT NULL,
	`skips_unmapped` integer NOT NULL,
	`changed_at_ms` integer NOT NULL,
	`cursor` integer NOT NULL,
	`delivered_entries` integer DEFAULT 0 NOT NULL,
	`last_delivered_at_ms` integer,
	`failure_count` integer DEFAULT 0 NOT NULL,
	`retry_at_ms` integer DEFAULT 0 NOT NULL,
	`last_error` text,
	`last_error_at_ms` integer
);
--> statement-breakpoint
CREATE TABLE `billing_rejections` (
	`position` integer PRIMARY KEY NOT NULL,
	`event_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`reason` text NOT NULL,
	`rejected_at_ms` integer NOT NULL,
	`is_retried` integer DEFAULT false NOT NULL
);
--> statement-breakpoint
CREATE INDEX `billing_rejections_retried` ON `billing_rejections` (`is_retried`,`position`);
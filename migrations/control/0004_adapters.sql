CREATE TABLE `adapter_grants` (
	`adapter_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	PRIMARY KEY(`adapter_id`, `tenant_id`),
	FOREIGN KEY (`adapter_id`) REFERENCES `adapters`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `adapter_grants_by_tenant` ON `adapter_grants` (`tenant_id`);--> statement-breakpoint
CREATE TABLE `adapter_versions` (
	`id` text PRIMARY KEY NOT NULL,
	`adapter_id` text NOT NULL,
	`version` integer NOT NULL,
	`config` text NOT NULL,
	`weights_bytes` integer NOT NULL,
	`part_bytes` integer,
	`upload_id` text,
	`digest` text,
	`created_at_ms` integer NOT NULL,
	FOREIGN KEY (`adapter_id`) REFERENCES `adapters`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `adapter_versions_by_number` ON `adapter_versions` (`adapter_id`,`version`);--> statement-breakpoint
CREATE TABLE `adapters` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`name` text NOT NULL,
	`base_model` text NOT NULL,
	`is_pinned` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `adapters_by_name` ON `adapters` (`tenant_id`,`name`);--> statement-breakpoint
CREATE TABLE `upload_parts` (
	`object_id` text NOT NULL,
	`part_number` integer NOT NULL,
	`etag` text NOT NULL,
	PRIMARY KEY(`object_id`, `part_number`)
);

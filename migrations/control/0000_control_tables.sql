CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`secret_hash` text NOT NULL,
	`last_chars` text NOT NULL,
	`scopes` text NOT NULL,
	`expires_at_ms` integer,
	`revoked_at_ms` integer,
	`created_at_ms` integer NOT NULL,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`project_id`) REFERENCES `projects`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_secret_hash_unique` ON `api_keys` (`secret_hash`);--> statement-breakpoint
CREATE INDEX `api_keys_by_tenant` ON `api_keys` (`tenant_id`);--> statement-breakpoint
CREATE TABLE `model_prices` (
	`version_id` text NOT NULL,
	`model` text NOT NULL,
	`input_nano_usd_per_million` integer NOT NULL,
	`cached_input_nano_usd_per_million` integer NOT NULL,
	`output_nano_usd_per_million` integer NOT NULL,
	PRIMARY KEY(`version_id`, `model`)
);
--> statement-breakpoint
CREATE TABLE `price_versions` (
	`id` text PRIMARY KEY NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `projects` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`name` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `projects_by_tenant` ON `projects` (`tenant_id`);--> statement-breakpoint
CREATE TABLE `tenants` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`status` text NOT NULL,
	`weight` integer NOT NULL,
	`requests_per_minute` integer NOT NULL,
	`tokens_per_minute` integer NOT NULL,
	`parallel_requests` integer NOT NULL,
	`price_version_id` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	FOREIGN KEY (`price_version_id`) REFERENCES `price_versions`(`id`) ON UPDATE no action ON DELETE no action
);

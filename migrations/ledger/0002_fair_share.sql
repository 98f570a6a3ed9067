CREATE TABLE `service_counters` (
	`tenant_id` text NOT NULL,
	`region` text NOT NULL,
	`node_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`weight` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`service_units` integer NOT NULL,
	`queue_ms` integer NOT NULL,
	`requests` integer NOT NULL,
	`updated_at_ms` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `region`, `node_id`, `epoch`)
);
--> statement-breakpoint
CREATE INDEX `service_counters_by_update` ON `service_counters` (`updated_at_ms`);--> statement-breakpoint
CREATE TABLE `service_hourly` (
	`tenant_id` text NOT NULL,
	`hour_ms` integer NOT NULL,
	`region` text NOT NULL,
	`epoch` integer NOT NULL,
	`weight` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`service_units` integer NOT NULL,
	`queue_ms` integer NOT NULL,
	`requests` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `hour_ms`, `region`, `epoch`)
);
--> statement-breakpoint
CREATE INDEX `service_hourly_by_hour` ON `service_hourly` (`hour_ms`);
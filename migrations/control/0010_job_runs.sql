CREATE TABLE `job_runs` (
	`name` text PRIMARY KEY NOT NULL,
	`running_since_ms` integer,
	`started_at_ms` integer,
	`ended_at_ms` integer,
	`outcome` text,
	`is_complete` integer,
	`figures` text,
	`error` text
);

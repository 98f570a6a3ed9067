ALTER TABLE `files` ADD `expires_at_ms` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `files_by_expiry` ON `files` (`expires_at_ms`);--> statement-breakpoint
ALTER TABLE `uploads` ADD `file_life_ms` integer DEFAULT 2592000000 NOT NULL;--> statement-breakpoint
CREATE INDEX `uploads_by_expiry` ON `uploads` (`expires_at_ms`);--> statement-breakpoint
-- Written by hand: files from before get the time that all files have by default.
UPDATE `files` SET `expires_at_ms` = `created_at_ms` + 2592000000;

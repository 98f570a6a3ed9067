export { grantAdapter, listGrants, revokeAdapterGrant } from "./adapters/adapter-grants.ts";
export {
  createAdapterVersion,
  dropStaleVersions,
  findAdapterVersion,
  finishAdapterVersion,
  listAdapterVersions,
} from "./adapters/adapter-versions.ts";
export type { AdapterVersion } from "./adapters/adapter-versions.ts";
export {
  createAdapter,
  deleteAdapter,
  findAdapter,
  listAdapters,
  pinAdapter,
} from "./adapters/adapters.ts";
export type { Adapter } from "./adapters/adapters.ts";
export { submitAdapterOf } from "./adapters/submit-adapter.ts";
export {
  findGrantedAdapter,
  latestVersions,
  listGrantedAdapters,
  listUsableAdapters,
  resolveAdapter,
} from "./adapters/usable-adapters.ts";
export type { UsableAdapter } from "./adapters/usable-adapters.ts";
export { markApiKeyRevoked, rotateApiKey } from "./api-key-life.ts";
export { changeApiKey, createApiKey, findApiKey, listApiKeys } from "./api-keys.ts";
export type { ApiKey, ApiKeyChange } from "./api-keys.ts";
export { appendAudit, readAudit } from "./audit.ts";
export type { AuditAction, AuditDetails, AuditEntry } from "./audit-entry.ts";
export { createBatch, findBatch, listBatches } from "./batches.ts";
export type { BatchRow } from "./batches.ts";
export { customersOf, putCustomer } from "./billing/customers.ts";
export { commitDelivery, noteExportFailure } from "./billing/export-progress.ts";
export {
  findBillingExport,
  putBillingExport,
  removeBillingExport,
} from "./billing/export-settings.ts";
export type { BillingExport } from "./billing/export-settings.ts";
export {
  dropRejections,
  keepRejections,
  listRejections,
  retriedPositions,
  retryRejections,
} from "./billing/rejections.ts";
export type { BillingRejection } from "./billing/rejections.ts";
export {
  dropBatches,
  eraseRegister,
  openAdapterUploads,
  redactAudit,
  someBatches,
} from "./erasure/erase-register.ts";
export {
  createErasure,
  erasuresUnderway,
  findErasure,
  finishErasure,
  noteErasure,
} from "./erasure/erasures.ts";
export type { Erasure, ErasureCounts, ErasurePhase } from "./erasure/erasures.ts";
export { exportLedger, exportRegister } from "./erasure/export-rows.ts";
export type { ExportedKind, ExportRow } from "./erasure/export-rows.ts";
export { openControlDb, openLedgerDb } from "./client.ts";
export type { ControlDb, LedgerDb } from "./client.ts";
export { costsOf } from "./costs.ts";
export type { CostGroup, CostRow } from "./costs.ts";
export {
  closeFairEpochs,
  fairCountersOf,
  remoteService,
  writeFairCounters,
} from "./fair-counters.ts";
export type { FairCounter, RegionService } from "./fair-counters.ts";
export { fairHoursOf, fairTotals, writeFairHours } from "./fair-hours.ts";
export type { FairHour, TenantHour, TenantService } from "./fair-hours.ts";
export { claimJob, finishJob, listJobRuns } from "./job-runs.ts";
export type { JobRun } from "./job-runs.ts";
export {
  ledgerRowsAfter,
  ledgerRowsLeft,
  ledgerRowsOf,
  newestLedgerPosition,
} from "./ledger-feed.ts";
export type { NumberedRow } from "./ledger-feed.ts";
export { ledgerSums } from "./ledger-sums.ts";
export type { LedgerSums, LedgerSource } from "./ledger-sums.ts";
export {
  archivePartsOf,
  dropArchived,
  entriesOfCut,
  sumsOfCut,
} from "./invoices/archive-entries.ts";
export { finishArchive, invoicesToArchive, startArchive } from "./invoices/archive-state.ts";
export type { ArchivedEntry, ArchivePart } from "./invoices/archive-entries.ts";
export { addAdjustment, listAdjustments } from "./invoices/adjustments.ts";
export type { AdjustmentRow } from "./invoices/adjustments.ts";
export { dueTenants } from "./invoices/due-drafts.ts";
export { finalizeInvoice, voidInvoice } from "./invoices/finalize-invoice.ts";
export { hasLateEntries } from "./invoices/invoice-usage.ts";
export { cutOf, findInvoice, linesOf, listInvoices } from "./invoices/invoices.ts";
export type { InvoiceRow } from "./invoices/invoices.ts";
export { makeDraft } from "./invoices/make-draft.ts";
export { ledgerOf } from "./ledger-map.ts";
export type { LedgerMap } from "./ledger-map.ts";
export {
  COST_ROWS_MAX,
  FAIR_ROWS_MAX,
  LEDGER_BATCH_ENTRIES_MAX,
  MODEL_PRICES_MAX,
} from "./limits.ts";
export { createPrices, currentPrices, findPrices } from "./prices.ts";
export {
  keepReconciliation,
  listReconciliations,
  reconciliationTotals,
  tenantsToReconcile,
} from "./reconciliations.ts";
export type { Reconciliation } from "./reconciliations.ts";
export { retainedKeyOf } from "./retained/retained-key.ts";
export { RetainedStore } from "./retained/retained-store.ts";
export type { RetainedKind, RetainedRef } from "./retained/retained-store.ts";
export { filesKeyOf } from "./sealed/files-key.ts";
export { SealedFiles } from "./sealed/sealed-files.ts";
export type { SealedContent, SealedRef } from "./sealed/sealed-files.ts";
export { sweepRetained } from "./retained/sweep-retained.ts";
export { changeMember, createMember, findMember, listMembers } from "./members.ts";
export type { Member } from "./members.ts";
export { createProject, listProjects, renameProject } from "./projects.ts";
export {
  createTenant,
  findDefaultProject,
  findProject,
  findTenant,
  updateTenant,
} from "./tenants.ts";
export type { Project, Tenant } from "./tenants.ts";
export { appendLedgerEntries, newestLedgerEntries, usageTotals } from "./usage.ts";
export type { LedgerRow, UsageTotals } from "./usage.ts";
export { dropUploadParts, listUploadParts, putUploadPart } from "./uploads/upload-parts.ts";
export type { UploadPart } from "./uploads/upload-parts.ts";
export {
  dropExpiredUploads,
  dropUpload,
  dropUploads,
  expiredUploads,
} from "./files/drop-uploads.ts";
export { dropFiles, expiredFiles } from "./files/expired-files.ts";
export { createFile, deleteFile, findFile, listFiles } from "./files/files.ts";
export type { StoredFile } from "./files/files.ts";
export {
  addUploadPiece,
  arrivedOf,
  createUpload,
  findUpload,
  listUploadPieces,
} from "./files/uploads.ts";
export type { Upload, UploadPiece } from "./files/uploads.ts";

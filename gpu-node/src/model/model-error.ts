// Owns the one error for a model that cannot be opened: which file, which tensor or field of it, and what is
// wrong with it. Everything that reads model files throws this and nothing else for bad input.

/** A model file (or one of its parts) is corrupt, incomplete or not supported. */
export class ModelError extends Error {
  override readonly name = "ModelError";
  /** The file at fault. */
  readonly file: string;
  /** The tensor, metadata key or JSON field at fault, or the part of the file ("magic", "header"). */
  readonly subject: string;

  constructor(file: string, subject: string, problem: string) {
    super(`${file}: ${subject}: ${problem}`);
    this.file = file;
    this.subject = subject;
  }
}

/** The text of anything thrown, shortened: libraries quote their input, and headers are long. */
export function errorText(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}

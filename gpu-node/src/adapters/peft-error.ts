// Owns the one error for an adapter that cannot be taken: which file of it, which field or tensor, and what is wrong.
// It names no folder, so that its text may go to whoever sent the adapter.
import { basename } from "node:path";
import { AppError } from "@fairlane/protocol";
import { errorText, ModelError } from "../model/model-error.ts";

export const CONFIG_FILE = "adapter_config.json";
export const WEIGHTS_FILE = "adapter_model.safetensors";

/** An adapter (or a part of it) is corrupt, incomplete, not supported or does not fit the base model. */
export class PeftError extends Error {
  override readonly name = "PeftError";
  readonly file: string;
  /** The field, tensor or part of the file at fault. */
  readonly field: string;

  constructor(file: string, field: string, problem: string) {
    super(`${file}: ${field}: ${problem}`);
    this.file = file;
    this.field = field;
  }

  /** The client's error: its own files are at fault. */
  toAppError(): AppError {
    return new AppError("invalid_value", `The adapter was refused: ${this.message}.`, {
      param: this.field,
    });
  }
}

/** What a reader of model files threw, as the adapter's error; anything else is thrown on. */
export function asPeftError(thrown: unknown): PeftError {
  if (thrown instanceof PeftError) return thrown;
  if (!(thrown instanceof ModelError)) throw thrown;
  const { file, subject } = thrown;
  const intro = `${file}: ${subject}: `;
  const text = errorText(thrown);
  const problem = text.startsWith(intro) ? text.slice(intro.length) : "cannot be read";
  return new PeftError(basename(file), subject, problem.replaceAll(file, basename(file)));
}

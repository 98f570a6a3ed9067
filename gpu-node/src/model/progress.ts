// Owns how long-running steps (downloads, unpacking) tell how far they are. Who listens decides what to show.

export interface Progress {
  /** What is being done, e.g. "Downloading model.gguf". */
  readonly label: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export type OnProgress = (progress: Progress) => void;

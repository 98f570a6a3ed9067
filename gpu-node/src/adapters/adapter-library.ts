// Owns which adapters the node can serve, and under which names: it reads and checks what is added, hands it to the engine
// worker, and remembers where each one is. Bytes and pages are the worker's. Invariants: a name stands for one digest; an
// adapter is known to the worker from before its first name can be found until after its last name was removed.
import { assert } from "@fairlane/base";
import { AppError, type ErrorValue } from "@fairlane/protocol";
import { ADAPTER_NAME_CHARS_MAX, ADAPTERS_MAX } from "./limits.ts";
import { PeftError } from "./peft-error.ts";
import { readAdapter, type AdapterBase, type ReadAdapter } from "./read-adapter.ts";

/** Where an adapter's bytes are: on disk only, in memory, on their way into pages, in pages, or leaving them. */
export type AdapterState = "cold" | "host" | "loading" | "resident" | "evicting";

/** An adapter under one of its names. */
export interface NamedAdapter {
  readonly name: string;
  readonly digest: string;
}

/** The adapter, and what it takes of the engine. */
export interface KnownAdapter extends NamedAdapter {
  readonly state: AdapterState;
  /** Of its packed form: what moves between tiers. */
  readonly packedBytes: number;
  readonly loadedSeconds: number;
}

/** What the worker says of an adapter that it took in. */
export interface AdapterFacts {
  readonly packedBytes: number;
  /** Where it is to begin with. */
  readonly state: AdapterState;
}

/** The engine worker's side: it packs, keeps and loads. */
export interface AdapterKeeper {
  /** Resolves once requests with the digest may be submitted; rejects with AppError when it cannot be taken. */
  add(adapter: ReadAdapter): Promise<AdapterFacts>;
  /** Forgets it once no request uses it any more. */
  remove(digest: string): void;
}

export interface AdapterLibraryOptions {
  readonly base: AdapterBase;
  /** Names that are taken: the base model's. */
  readonly reserved: readonly string[];
  readonly keeper: AdapterKeeper;
  readonly nowMs: () => number;
}

interface Held {
  readonly names: Set<string>;
  readonly packedBytes: number;
  readonly loadedSeconds: number;
  state: AdapterState;
}

export class AdapterLibrary {
  readonly #options: AdapterLibraryOptions;
  readonly #digestOfName = new Map<string, string>();
  readonly #byDigest = new Map<string, Held>();
  /** Additions run one after another: two of the same digest or name meet in order. */
  #adding: Promise<unknown> = Promise.resolve();
  #addingCount = 0;

  constructor(options: AdapterLibraryOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#byDigest.size;
  }

  /** The adapter of this name; undefined when there is none. */
  find(name: string): NamedAdapter | undefined {
    const digest = this.#digestOfName.get(name);
    return digest === undefined ? undefined : { name, digest };
  }

  /** True when requests with this digest may be submitted. */
  has(digest: string): boolean {
    return this.#byDigest.has(digest);
  }

  /** Where the adapter is; undefined for one that is not known. */
  state(digest: string): AdapterState | undefined {
    return this.#byDigest.get(digest)?.state;
  }

  /** All adapters by name. */
  get list(): readonly KnownAdapter[] {
    return [...this.#digestOfName].flatMap(([name, digest]) => {
      const held = this.#byDigest.get(digest);
      if (held === undefined) return [];
      const { packedBytes, loadedSeconds, state } = held;
      return { name, digest, state, loadedSeconds, packedBytes };
    });
  }

  /**
   * Takes the adapter in the folder in under a name; the folder is not needed afterwards. The same content under a name
   * that it has already is no error.
   * @param wanted.digest the content must be this; whatever it is when absent
   * @returns the adapter; throws AppError naming the field: bad files, a name in use, too many adapters
   */
  add(wanted: {
    readonly name: string;
    readonly folder: string;
    readonly digest?: string | undefined;
  }): Promise<NamedAdapter> {
    if (this.#addingCount >= ADAPTERS_MAX) throw AppError.of(tooMany());
    this.#addingCount += 1;
    const added = this.#adding.then(() => this.#add(wanted));
    this.#adding = added
      .catch(() => undefined)
      .finally(() => {
        this.#addingCount -= 1;
      });
    return added;
  }

  /** Takes a name away; the adapter goes with its last one, once running requests are done. False: no such name. */
  remove(name: string): boolean {
    const digest = this.#digestOfName.get(name);
    if (digest === undefined) return false;
    this.#digestOfName.delete(name);
    const held = this.#byDigest.get(digest);
    assert(held !== undefined && held.names.delete(name), `${name} has no adapter`);
    if (held.names.size > 0) return true;
    this.#byDigest.delete(digest);
    this.#options.keeper.remove(digest);
    return true;
  }

  /** Notes what the worker says of an adapter. */
  noteState(digest: string, state: AdapterState): void {
    const held = this.#byDigest.get(digest);
    // Of one whose last name is gone nobody asks any more.
    if (held !== undefined) held.state = state;
  }

  /** Notes that the worker has lost an adapter: all of its names are gone, and it may be added again. */
  noteLost(digest: string): void {
    for (const name of this.#byDigest.get(digest)?.names ?? []) this.#digestOfName.delete(name);
    this.#byDigest.delete(digest);
  }

  async #add(wanted: {
    readonly name: string;
    readonly folder: string;
    readonly digest?: string | undefined;
  }): Promise<NamedAdapter> {
    const { name, folder } = wanted;
    checkName(name);
    const adapter = await this.#read(folder);
    const { digest } = adapter;
    // All guards, then the one change.
    if (wanted.digest !== undefined && wanted.digest !== digest) {
      const message = `The adapter's content has the digest ${digest}, not ${wanted.digest}.`;
      throw new AppError("invalid_value", message, { param: "digest" });
    }
    const before = this.#digestOfName.get(name);
    if (before === digest) return { name, digest };
    if (before !== undefined || this.#options.reserved.includes(name)) {
      throw new AppError("already_exists", `The name '${name}' is in use.`, { param: "lora_name" });
    }
    const known = this.#byDigest.get(digest);
    if (known === undefined && this.#byDigest.size >= ADAPTERS_MAX) throw AppError.of(tooMany());
    const held = known ?? (await this.#keep(adapter));
    held.names.add(name);
    this.#byDigest.set(digest, held);
    this.#digestOfName.set(name, digest);
    return { name, digest };
  }

  async #read(folder: string): Promise<ReadAdapter> {
    try {
      return await readAdapter(folder, this.#options.base);
    } catch (thrown) {
      throw thrown instanceof PeftError ? thrown.toAppError() : thrown;
    }
  }

  async #keep(adapter: ReadAdapter): Promise<Held> {
    const { keeper, nowMs } = this.#options;
    const { packedBytes, state } = await keeper.add(adapter);
    const loadedSeconds = Math.floor(nowMs() / 1_000);
    return { names: new Set(), packedBytes, loadedSeconds, state };
  }
}

/** A library that has these adapters; rejects naming the first that cannot be taken. */
export async function openLibrary(
  options: AdapterLibraryOptions,
  named: readonly { readonly name: string; readonly folder: string }[],
): Promise<AdapterLibrary> {
  const library = new AdapterLibrary(options);
  for (const one of named) {
    await library.add(one).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`--adapter ${one.name}=${one.folder}: ${why}`, { cause });
    });
  }
  return library;
}

function checkName(name: string): void {
  // What model names may look like: no spaces, no control characters.
  if (name.length <= ADAPTER_NAME_CHARS_MAX && /^[\w][\w./:@+-]*$/.test(name)) return;
  const message =
    `lora_name must be 1 to ${ADAPTER_NAME_CHARS_MAX} letters, digits and . _ / : @ + -, and begin with a letter, ` +
    `a digit or _.`;
  throw new AppError("invalid_value", message, { param: "lora_name" });
}

function tooMany(): ErrorValue {
  const message = `The node has ${ADAPTERS_MAX} adapters, as many as may. Please unload one.`;
  return { code: "overloaded", message, param: null };
}

// Owns the reading of one call, a JSON object of a name and arguments, that comes a character at a time: its name once it
// is whole, its arguments as they come, as they are spelled. Invariant: the pieces of arguments, joined, are the text of
// the arguments' object; nothing of what stands around it is among them.

/** What a character added. */
export interface CallPiece {
  readonly name?: string;
  readonly arguments?: string;
  /** The object has ended. */
  readonly isLast?: true;
}

const NOTHING: CallPiece = {};
const ARGUMENT_KEYS = new Set(["arguments", "parameters"]);

export class CallScanner {
  /** Braces and brackets that are open. */
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** The text of the member's name or value that is being read, at the object's own level. */
  #text = "";
  #key: string | null = null;
  #isNamed = false;
  /** Arguments that came before the name. */
  #early = "";
  #hasArguments = false;

  /** Takes the next character, the first of which opens the object. */
  push(character: string): CallPiece {
    const isInArguments = this.#depth >= 2 && this.#key !== null && ARGUMENT_KEYS.has(this.#key);
    const wasInString = this.#isInString;
    this.#count(character);
    if (isInArguments || (this.#depth === 2 && this.#isArgumentsKey()))
      return this.#argument(character);
    if (wasInString || this.#isInString) {
      this.#text += character;
      return NOTHING;
    }
    if (character === ":" && this.#depth === 1 && this.#key === null) {
      this.#key = textOf(this.#text);
      this.#text = "";
      return NOTHING;
    }
    if (character === "," && this.#depth === 1) return this.#memberEnded();
    if (character === "}" && this.#depth === 0) return this.#objectEnded();
    return NOTHING;
  }

  #isArgumentsKey(): boolean {
    return this.#key !== null && ARGUMENT_KEYS.has(this.#key);
  }

  /** Keeps track of strings and depth. */
  #count(character: string): void {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === "\\") this.#isEscaped = true;
      else if (character === '"') this.#isInString = false;
      return;
    }
    if (character === '"') this.#isInString = true;
    else if (character === "{" || character === "[") this.#depth += 1;
    else if (character === "}" || character === "]") this.#depth -= 1;
  }

  #argument(character: string): CallPiece {
    this.#hasArguments = true;
    if (this.#isNamed) return { arguments: character };
    this.#early += character;
    return NOTHING;
  }

  #memberEnded(): CallPiece {
    const key = this.#key;
    const text = this.#text;
    this.#key = null;
    this.#text = "";
    if (key !== "name") return NOTHING;
    this.#isNamed = true;
    const early = this.#early;
    return early === "" ? { name: textOf(text) } : { name: textOf(text), arguments: early };
  }

  #objectEnded(): CallPiece {
    const piece = this.#memberEnded();
    if (this.#hasArguments) return { ...piece, isLast: true };
    return { ...piece, arguments: "{}", isLast: true };
  }
}

/** What a JSON string of the model's spells; as it is when it is none. */
function textOf(spelled: string): string {
  try {
    return String(JSON.parse(spelled));
  } catch {
    return spelled;
  }
}

// Owns what is known of a tensor after its header was read (name, type, dims, place in a file), the table of
// element types, and the checks that every file format shares. A checked entry lies inside its file, and no two
// entries of a file share a byte.
import { TENSOR_DIMENSION_MAX, TENSOR_DIMENSIONS_MAX } from "./limits.ts";
import { ModelError } from "./model-error.ts";

/** Element types of MANIFEST.md: elements and bytes of one block. */
export const TENSOR_TYPES = {
  f32: { blockElements: 1, blockBytes: 4 },
  f16: { blockElements: 1, blockBytes: 2 },
  bf16: { blockElements: 1, blockBytes: 2 },
  q4_0: { blockElements: 32, blockBytes: 18 },
  q4_1: { blockElements: 32, blockBytes: 20 },
  q5_0: { blockElements: 32, blockBytes: 22 },
  q5_1: { blockElements: 32, blockBytes: 24 },
  q8_0: { blockElements: 32, blockBytes: 34 },
  q4_k: { blockElements: 256, blockBytes: 144 },
  q5_k: { blockElements: 256, blockBytes: 176 },
  q6_k: { blockElements: 256, blockBytes: 210 },
} as const;

export type TensorType = keyof typeof TENSOR_TYPES;

export interface TensorEntry {
  /** The name in the file. */
  readonly name: string;
  readonly type: TensorType;
  /** Outermost first: [out, in] for linear layers. */
  readonly dims: readonly number[];
  /** Index into the model's list of weight files. */
  readonly fileIndex: number;
  /** From the start of the file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/**
 * Bytes of a tensor, after checking its dims.
 * @param dims outermost first
 */
export function tensorBytes(
  file: string,
  tensor: { readonly name: string; readonly type: TensorType; readonly dims: readonly number[] },
): number {
  const { name, type, dims } = tensor;
  if (dims.length < 1 || dims.length > TENSOR_DIMENSIONS_MAX) {
    const problem = `has ${dims.length} dimensions, 1 to ${TENSOR_DIMENSIONS_MAX} are possible`;
    throw new ModelError(file, name, problem);
  }
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 1 || dim > TENSOR_DIMENSION_MAX) {
      const problem = `dimension ${dim} is outside 1 to ${TENSOR_DIMENSION_MAX}`;
      throw new ModelError(file, name, problem);
    }
  }
  const { blockElements, blockBytes } = TENSOR_TYPES[type];
  const innermost = dims.at(-1) ?? 0;
  if (innermost % blockElements !== 0) {
    const problem = `rows of ${innermost} values do not divide into ${type} blocks of ${blockElements}`;
    throw new ModelError(file, name, problem);
  }
  const elements = dims.reduce((product, dim) => product * dim, 1);
  const bytes = (elements / blockElements) * blockBytes;
  if (!Number.isSafeInteger(bytes)) throw new ModelError(file, name, "is impossibly large");
  return bytes;
}

/** Throws unless all tensors of one file lie inside it, apart from each other, under different names. */
export function checkPlacement(file: string, tensors: readonly TensorEntry[], fileBytes: number) {
  const names = new Set<string>();
  for (const tensor of tensors) {
    if (names.has(tensor.name)) throw new ModelError(file, tensor.name, "appears twice");
    names.add(tensor.name);
    const endBytes = tensor.offsetBytes + tensor.sizeBytes;
    if (!Number.isSafeInteger(endBytes) || tensor.offsetBytes < 0 || endBytes > fileBytes) {
      const where = `bytes ${tensor.offsetBytes} to ${endBytes}`;
      const problem = `${where} are not inside the file of ${fileBytes} bytes; the file is cut or corrupt`;
      throw new ModelError(file, tensor.name, problem);
    }
  }
  const ordered = tensors.toSorted((a, b) => a.offsetBytes - b.offsetBytes);
  for (const [index, tensor] of ordered.entries()) {
    const previous = ordered[index - 1];
    if (previous && previous.offsetBytes + previous.sizeBytes > tensor.offsetBytes) {
      throw new ModelError(file, tensor.name, `overlaps the bytes of ${previous.name}`);
    }
  }
}

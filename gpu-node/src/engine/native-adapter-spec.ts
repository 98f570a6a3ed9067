// Owns the form in which an adapter's spec crosses to the native core, and the way back of its errors: paths once each,
// and SPEC_NUMBERS numbers a module, as native/binding/adapter_calls.cc reads them.
import { LORA_MODULES, AdapterError, type AdapterErrorCode } from "./adapter-spec.ts";
import type { AdapterSpec, AdapterTensor } from "./adapter-spec.ts";
import type { NativeAdapterSpec } from "./native-addon.ts";

/** layer, module, rank, scaling, then A's and B's file, offset, type, rows and columns. */
const SPEC_NUMBERS = 14;
const TYPES: readonly AdapterTensor["dtype"][] = ["f32", "f16", "bf16"];

/** The spec as numbers and paths. */
export function nativeAdapterSpec(spec: AdapterSpec): NativeAdapterSpec {
  const indexByPath = new Map<string, number>();
  const tensor = ({ path, offset, dtype, shape }: AdapterTensor): number[] => {
    const file = indexByPath.get(path) ?? indexByPath.size;
    indexByPath.set(path, file);
    return [file, offset, TYPES.indexOf(dtype), ...shape];
  };
  const modules = new Float64Array(spec.length * SPEC_NUMBERS);
  spec.forEach(({ layer, module, rank, scaling, a, b }, at) => {
    const numbers = [
      layer,
      LORA_MODULES.indexOf(module),
      rank,
      scaling,
      ...tensor(a),
      ...tensor(b),
    ];
    modules.set(numbers, at * SPEC_NUMBERS);
  });
  return { paths: [...indexByPath.keys()], modules };
}

/** The core's reason as an AdapterError; anything else as it is. */
export function nativeAdapterError(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  return new AdapterError(error.code as AdapterErrorCode, error.message);
}

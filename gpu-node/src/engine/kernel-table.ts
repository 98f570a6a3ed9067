// Owns the table of kernels as text: which kernel of a CPU plug-in serves how many tokens of a step, and the arithmetic
// of attention. What it means and how it is measured is native/core/tile_tables.h's. Invariant: kernels change speed, never
// a result; attention's arithmetic is part of the numerics class.
import { dirname } from "node:path";
import type { EngineOptions } from "./engine.ts";
import { DEFAULT_ADDON_PATH, loadNativeAddon } from "./native-addon.ts";

type KernelOptions = Pick<EngineOptions, "isa" | "numerics" | "attention" | "kernelsPath">;

/** The table that an engine with these options uses; throws where the file is none of the plug-in's. */
export function kernelTable(options: KernelOptions): string {
  return readTable(options, false);
}

/** Measures a table for this machine, about a second on one core. */
export function measureKernels(options: KernelOptions): string {
  return readTable(options, true);
}

function readTable(options: KernelOptions, measures: boolean): string {
  const { isa, numerics, attention = "auto", kernelsPath = "" } = options;
  const pluginFolder = dirname(DEFAULT_ADDON_PATH);
  return loadNativeAddon().kernelTable({
    pluginFolder,
    isa,
    numerics,
    attention,
    kernelsPath,
    measures,
  });
}

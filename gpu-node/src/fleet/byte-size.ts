// Owns the way from a size that a person writes, such as 2GiB, to bytes and back. Invariant: what formatBytes says
// parseBytes takes.

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

/** Whole bytes of "2GiB", "1.5 GB" or "123"; NaN when it is no size. */
export function parseBytes(text: string): number {
  const [, number = "", unit = ""] =
    /^(\d{1,15}(?:\.\d{1,6})?) ?([a-z]*)$/i.exec(text.trim()) ?? [];
  const unitBytes = UNITS[unit.toUpperCase()];
  return number === "" || unitBytes === undefined ? NaN : Math.floor(Number(number) * unitBytes);
}

/** As binary units with one decimal: "1.5GiB". */
export function formatBytes(bytes: number): string {
  for (const [unit, unitBytes] of BINARY_UNITS) {
    if (bytes >= unitBytes) return `${Number((bytes / unitBytes).toFixed(1))}${unit}`;
  }
  return `${bytes}B`;
}

const BINARY_UNITS = [
  ["TiB", 1024 ** 4],
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
] as const;

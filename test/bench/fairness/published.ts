// Owns the figures that the authors of "Fairness in Serving Large Language Models" published for an A10G with
// Llama-2-7B: computed from the result files that come with their code, with their metrics. Printed beside ours, compared
// by nobody: another engine and another trace give other figures.

export interface PublishedRow {
  readonly maxDiff?: number;
  readonly avgDiff?: number;
  readonly varDiff?: number;
  readonly tokensPerSecond?: number;
  readonly maxAccDiff?: number;
}

/** By suite and scheduler. */
export const PUBLISHED: Readonly<Record<string, Readonly<Record<string, PublishedRow>>>> = {
  "arena-like": {
    fcfs: { maxDiff: 759.97, avgDiff: 433.53, varDiff: 32_112, tokensPerSecond: 777 },
    lcf: { maxDiff: 750.49, avgDiff: 323.82, varDiff: 29_089, tokensPerSecond: 778 },
    vtc: { maxDiff: 368.4, avgDiff: 251.66, varDiff: 6_549, tokensPerSecond: 779 },
    "vtc-predict": { maxDiff: 365.47, avgDiff: 240.33, varDiff: 5_322, tokensPerSecond: 773 },
    "vtc-oracle": { maxDiff: 329.46, avgDiff: 227.51, varDiff: 4_476, tokensPerSecond: 781 },
    rpm5: { maxDiff: 143.86, avgDiff: 83.58, varDiff: 1_020, tokensPerSecond: 340 },
    rpm20: { maxDiff: 446.76, avgDiff: 195.71, varDiff: 7_450, tokensPerSecond: 694 },
    rpm30: { maxDiff: 693.66, avgDiff: 309.45, varDiff: 24_221, tokensPerSecond: 747 },
  },
  overload: {
    fcfs: {
      maxDiff: 447.37,
      avgDiff: 439,
      varDiff: 31,
      tokensPerSecond: 876,
      maxAccDiff: 237_738,
    },
    vtc: {
      maxDiff: 192.88,
      avgDiff: 103.77,
      varDiff: 6_981,
      tokensPerSecond: 893,
      maxAccDiff: 9_050,
    },
    "vtc-50pct": {
      maxDiff: 33.98,
      avgDiff: 12.54,
      varDiff: 112,
      tokensPerSecond: 904,
      maxAccDiff: 1_789,
    },
    "vtc-oracle": {
      maxDiff: 5.87,
      avgDiff: 0.51,
      varDiff: 1.7,
      tokensPerSecond: 895,
      maxAccDiff: 377,
    },
  },
  "overload-multi": {
    fcfs: {
      maxDiff: 247.88,
      avgDiff: 230.81,
      varDiff: 1_084,
      tokensPerSecond: 875,
      maxAccDiff: 34_823,
    },
    vtc: {
      maxDiff: 322.16,
      avgDiff: 162.2,
      varDiff: 5_151,
      tokensPerSecond: 875,
      maxAccDiff: 2_976,
    },
    "vtc-50pct": {
      maxDiff: 99.43,
      avgDiff: 66.32,
      varDiff: 487,
      tokensPerSecond: 875,
      maxAccDiff: 1_277,
    },
    "vtc-oracle": {
      maxDiff: 43.23,
      avgDiff: 36.34,
      varDiff: 57,
      tokensPerSecond: 875,
      maxAccDiff: 746,
    },
  },
  on_off_overload: { fcfs: { maxAccDiff: 370_598 }, vtc: { maxAccDiff: 8_757 } },
  poisson_short_long: { fcfs: { maxAccDiff: 208_326 }, vtc: { maxAccDiff: 19_182 } },
  poisson_short_long_2: { fcfs: { maxAccDiff: 322_277 }, vtc: { maxAccDiff: 41_521 } },
};

/** Mean and 99th percentile of seconds to the first token of the first client, by suite and scheduler. */
export const PUBLISHED_FIRST_TOKEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  proportional: { fcfs: "97 / 196", vtc: "4.8 / 10.4" },
  on_off_less: { fcfs: "85 / 174", vtc: "3.5 / 8.3" },
  on_off_overload: { fcfs: "374 / 748", vtc: "75 / 153" },
  increase: { fcfs: "7.2 / 48", vtc: "0.3 / 0.7" },
  dist_shift: { lcf: "4.1 / 8.8", vtc: "16.3 / 44" },
};

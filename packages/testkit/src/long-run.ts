// Owns whether this is a long run (`npm run test:long`), in which tests with a reduced form take their full one. The command
// finds those tests by their call of isLongRun.

/** True in `npm run test:long`. */
export function isLongRun(): boolean {
  return process.env["FAIRLANE_LONG_RUN"] === "1";
}

import { describe, expect, it } from "vitest";
import { adapterDigest } from "./adapter-digest.ts";

const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)];

describe("adapterDigest", () => {
  it("is SHA-256 over the domain and both digests, each with its length", async () => {
    // python3: hashlib.sha256(b"".join(len(x).to_bytes(4, "little") + x for x in
    // [b"fairlane-adapter-v1", b"1" * 64, b"2" * 64])).hexdigest()
    expect(await adapterDigest({ configSha256: ONE, weightsSha256: TWO })).toBe(
      "30a87552e0e629be3fd0262cdeb0620cf82d270299cccee24fb1fac8f01d593b",
    );
  });

  it("tells the files apart", async () => {
    const swapped = await adapterDigest({ configSha256: TWO, weightsSha256: ONE });
    expect(swapped).not.toBe(await adapterDigest({ configSha256: ONE, weightsSha256: TWO }));
  });
});

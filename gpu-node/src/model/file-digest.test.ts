import { describe, expect, it } from "vitest";
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileDigest } from "./file-digest.ts";
import { temporaryFolder } from "./testing/corrupt-copy.ts";

// SHA-256 of "abc" and of "abd".
const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const ABD = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9";

async function prepared() {
  const folder = await temporaryFolder();
  const file = join(folder.path, "file");
  const cache = join(folder.path, "cache");
  await writeFile(file, "abc");
  return { file, cache, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe("fileDigest", () => {
  it("is the SHA-256 of the content", async () => {
    await using place = await prepared();
    expect(await fileDigest(place.file, place.cache)).toBe(ABC);
  });

  it("is taken from the stamp while the file is unchanged", async () => {
    await using place = await prepared();
    await fileDigest(place.file, place.cache);
    const [name = ""] = await readdir(join(place.cache, "digests"));
    const stampPath = join(place.cache, "digests", name);
    const stamp = JSON.parse(await readFile(stampPath, "utf8")) as Record<string, unknown>;
    // A stamp that says otherwise shows that it is the stamp that is believed.
    await writeFile(stampPath, JSON.stringify({ ...stamp, sha256: "0".repeat(64) }));
    expect(await fileDigest(place.file, place.cache)).toBe("0".repeat(64));
  });

  it("is computed anew when the content changed and the times were set back", async () => {
    await using place = await prepared();
    const past = new Date(1_000_000_000_000);
    await utimes(place.file, past, past);
    expect(await fileDigest(place.file, place.cache)).toBe(ABC);
    await writeFile(place.file, "abd");
    await utimes(place.file, past, past);
    expect(await fileDigest(place.file, place.cache)).toBe(ABD);
  });

  it("is computed when the stamp is damaged or cannot be written", async () => {
    await using place = await prepared();
    await fileDigest(place.file, place.cache);
    const [name = ""] = await readdir(join(place.cache, "digests"));
    for (const text of ["", "{", '{"sha256":1}', "[]"]) {
      await writeFile(join(place.cache, "digests", name), text);
      expect(await fileDigest(place.file, place.cache)).toBe(ABC);
    }
    expect(await fileDigest(place.file, "/dev/null/none")).toBe(ABC);
  });

  it("names a file that is not there", async () => {
    await expect(fileDigest("/dev/null/none/file", "/dev/null/none")).rejects.toMatchObject({
      name: "ModelError",
      file: "/dev/null/none/file",
    });
  });
});

// Owns where Durable Objects lie: in one jurisdiction for the whole platform, and near their region. Both scripts apply
// the same setting, since the jurisdiction is part of an object's identity. The platform refuses a jurisdiction that it
// cannot hold; nothing here falls back to none.
import { z } from "zod";

/** What the platform knows. */
export const jurisdictionSchema = z.enum(["eu", "us", "fedramp", "fedramp-high"]);

export type Jurisdiction = z.infer<typeof jurisdictionSchema>;

const hintSchema = z.enum([
  ...["wnam", "enam", "sam", "weur", "eeur"],
  ...["apac", "apac-ne", "apac-se", "oc", "afr", "me"],
] as const);

/** Where an object is made, if the platform can. */
export type LocationHint = z.infer<typeof hintSchema>;

const REGIONS_HINTED_MAX = 64;

/** `eu=weur,us-1=enam`: the place near each region. */
export const locationHintsSchema = z
  .string()
  .max(4_096)
  .transform((text) => text.split(",").map((pair) => pair.split("=")))
  .pipe(
    z.array(z.tuple([z.string().regex(/^[a-z0-9-]{1,32}$/), hintSchema])).max(REGIONS_HINTED_MAX),
  )
  .transform((pairs): ReadonlyMap<string, LocationHint> => new Map(pairs));

/** A binding of a class of Durable Objects, as far as placement needs it. */
export interface PlaceableNamespace<Stub> {
  getByName(name: string, options?: { readonly locationHint?: LocationHint }): Stub;
  jurisdiction(jurisdiction: Jurisdiction): PlaceableNamespace<Stub>;
}

/** The namespace of the jurisdiction; that of the whole platform without one. Throws where there are none. */
export function placedIn<Stub>(
  namespace: PlaceableNamespace<Stub>,
  jurisdiction: Jurisdiction | undefined,
): PlaceableNamespace<Stub> {
  return jurisdiction === undefined ? namespace : namespace.jurisdiction(jurisdiction);
}

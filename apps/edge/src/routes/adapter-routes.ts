// The routes of a tenant's LoRA adapters.
import type { EdgeDependencies } from "../edge-context.ts";
import {
  adapterQuery,
  changedAdapter,
  newAdapter,
  newAdapterVersion,
} from "../http/adapter-fields.ts";
import { grantAdapterRoute, revokeAdapterGrantRoute } from "../http/adapter-grants.ts";
import {
  completeAdapterVersionRoute,
  createAdapterVersionRoute,
  putAdapterContentRoute,
  putAdapterPartRoute,
  readAdapterContentRoute,
} from "../http/adapter-versions.ts";
import {
  changeAdapterRoute,
  createAdapterRoute,
  deleteAdapterRoute,
  listAdaptersRoute,
  retrieveAdapterRoute,
} from "../http/adapters.ts";
import type { Route } from "./route.ts";

const ADAPTERS = "/v1/fairlane/adapters";
const ADAPTER = `${ADAPTERS}/:adapter`;
const VERSION = `${ADAPTER}/versions/:version`;
const read = { scope: "adapters:read" } as const;
const manage = { scope: "adapters:manage" } as const;
const tag = "Adapters";

export function adapterRoutes(deps: EdgeDependencies): readonly Route[] {
  return [...ownRoutes(deps), ...versionRoutes(deps), ...grantRoutes(deps)];
}

function ownRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: ADAPTERS,
      access: manage,
      docs: { summary: "Name a new adapter", tag, body: newAdapter, status: 201 },
      handler: createAdapterRoute(deps),
    },
    {
      method: "GET",
      path: ADAPTERS,
      access: read,
      docs: { summary: "List adapters, and where they are", tag, query: adapterQuery },
      handler: listAdaptersRoute(deps),
    },
    {
      method: "GET",
      path: ADAPTER,
      access: read,
      docs: { summary: "Describe an adapter", tag },
      handler: retrieveAdapterRoute(deps),
    },
    {
      method: "PATCH",
      path: ADAPTER,
      access: manage,
      docs: { summary: "Pin an adapter, or let it go", tag, body: changedAdapter },
      handler: changeAdapterRoute(deps),
    },
    {
      method: "DELETE",
      path: ADAPTER,
      access: manage,
      docs: { summary: "Delete an adapter; what runs is finished", tag },
      handler: deleteAdapterRoute(deps),
    },
  ];
}

function versionRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: `${ADAPTER}/versions`,
      access: manage,
      docs: { summary: "Announce a version", tag, body: newAdapterVersion, status: 201 },
      handler: createAdapterVersionRoute(deps),
    },
    {
      method: "PUT",
      path: `${VERSION}/content`,
      access: manage,
      docs: { summary: "Send a version's weights in one body", tag },
      handler: putAdapterContentRoute(deps),
    },
    {
      method: "GET",
      path: `${VERSION}/content`,
      access: read,
      docs: { summary: "Read a version's weights back", tag },
      handler: readAdapterContentRoute(deps),
    },
    {
      method: "PUT",
      path: `${VERSION}/parts/:part`,
      access: manage,
      docs: { summary: "Send one part of a version's weights", tag },
      handler: putAdapterPartRoute(deps),
    },
    {
      method: "POST",
      path: `${VERSION}/complete`,
      access: manage,
      docs: { summary: "Join the parts and make the version ready", tag },
      handler: completeAdapterVersionRoute(deps),
    },
  ];
}

function grantRoutes(deps: EdgeDependencies): readonly Route[] {
  const path = `${ADAPTER}/grants/:tenant`;
  return [
    {
      method: "PUT",
      path,
      access: manage,
      docs: { summary: "Let another tenant use an adapter", tag },
      handler: grantAdapterRoute(deps),
    },
    {
      method: "DELETE",
      path,
      access: manage,
      docs: { summary: "Take a grant back", tag },
      handler: revokeAdapterGrantRoute(deps),
    },
  ];
}

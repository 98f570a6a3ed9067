// The edge's app over a scripted account and a scripted hub, for answers of theirs that the real ones give only
// when machines fail. Everything else (D1 included) is real. Records what the edge asked of them.
import { openControlDb, openLedgerDb } from "@fairlane/db";
import type {
  AdapterResidency,
  AdmitInput,
  AdmitOutcome,
  AuthorizeInput,
  AuthorizeOutcome,
  CompleteOutcome,
  CountOutcome,
  EmbedOutcome,
  FleetStanding,
  FundsState,
  HubCompletionRequest,
  HubCountRequest,
  HubEmbeddingRequest,
  HubRequest,
  ModelCard,
  RateState,
  TenantAccountRpc,
} from "@fairlane/protocol";
import { makeApiKey } from "@fairlane/protocol";
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { AdapterNames } from "../src/adapters/adapter-names.ts";
import { createApp } from "../src/app.ts";
import type { EdgeDependencies } from "../src/edge-context.ts";
import type { ObjectNamespace, RegionHubStub } from "../src/env.ts";

export const PEPPER = "scripted-edge-pepper";
/** The token of the live edge's tests, and its hash. */
const ADMIN_TOKEN_HASH = "fa162d54d6bae01c3a35894f6f7a84a1122631b79dc6fd40345d4307f8f5a7a0";
export const TENANT_ID = "ten_01jd0000000000000000000001";
export const KEY_ID = "key_01jd0000000000000000000002";
export const NOW_MS = 1_793_491_200_000;

export const RATES: RateState = {
  limitRequests: 600,
  remainingRequests: 599,
  resetRequestsMs: 100,
  limitTokens: 1_000_000,
  remainingTokens: 997_000,
  resetTokensMs: 360_000,
};

export const ADMITTED = {
  ok: true,
  principal: {
    tenantId: TENANT_ID,
    projectId: "prj_01jd0000000000000000000003",
    keyId: KEY_ID,
    allowedModels: null,
    allowedAdapters: null,
    weight: 3,
    priceVersion: "plan_01kb0000000000000000000001",
    tenantSalt: "ab".repeat(32),
    retainedKey: "cd".repeat(32),
  },
  rates: RATES,
  grantTokens: null,
} satisfies AdmitOutcome;

export const AUTHORIZED = {
  ok: true,
  caller: {
    tenantId: TENANT_ID,
    actor: { kind: "key", id: KEY_ID },
    role: null,
    scopes: ["keys:read", "keys:manage"],
    manager: {
      projectId: "prj_01jd0000000000000000000003",
      scopes: ["keys:read", "keys:manage"],
      allowedModels: null,
      allowedAdapters: null,
      allowedIps: null,
      expiresAtMs: null,
    },
  },
  weight: 3,
  rates: RATES,
} satisfies AuthorizeOutcome;

export interface Script {
  readonly authorize?: () => Promise<AuthorizeOutcome>;
  readonly admit?: () => Promise<AdmitOutcome>;
  readonly complete?: () => Promise<CompleteOutcome>;
  readonly embed?: () => Promise<EmbedOutcome>;
  readonly countTokens?: () => Promise<CountOutcome>;
  readonly stream?: () => Promise<Response>;
  readonly listModels?: () => Promise<readonly ModelCard[]>;
  readonly adapterResidency?: (digests: readonly string[]) => Promise<readonly AdapterResidency[]>;
  readonly fairShare?: (tenantId?: string) => Promise<FleetStanding | null>;
  readonly release?: () => Promise<void>;
  readonly configure?: () => Promise<void>;
  readonly putKey?: () => Promise<boolean>;
  readonly revokeKey?: () => Promise<boolean>;
  readonly funds?: () => Promise<FundsState>;
}

const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };

/** A key made under PEPPER. */
export async function scriptedKey(): Promise<string> {
  return (await makeApiKey({ tenantId: TENANT_ID, keyId: KEY_ID, pepper: PEPPER, random })).text;
}

interface Asked {
  readonly accounts: string[];
  readonly hubs: string[];
  readonly admits: AdmitInput[];
  readonly authorized: AuthorizeInput[];
  readonly released: string[];
  readonly hubRequests: (HubRequest | HubCompletionRequest)[];
  readonly embeddingRequests: HubEmbeddingRequest[];
  readonly countRequests: HubCountRequest[];
}

function scriptedAccount(script: Script, asked: Asked): TenantAccountRpc {
  return {
    admit: (input) => {
      asked.admits.push(input);
      return script.admit?.() ?? Promise.resolve(ADMITTED);
    },
    release: (requestId) => {
      asked.released.push(requestId);
      return script.release?.() ?? Promise.resolve();
    },
    configure: () => script.configure?.() ?? Promise.resolve(),
    putKey: () => script.putKey?.() ?? Promise.resolve(true),
    changeKey: () => Promise.reject(new Error("no script")),
    rotateKey: () => Promise.reject(new Error("no script")),
    keyUses: () => Promise.resolve([]),
    putMember: () => Promise.resolve({ ok: true }),
    removeMember: () => Promise.resolve({ ok: true }),
    addLogin: () => Promise.resolve({ ok: true }),
    openSession: () => Promise.reject(new Error("no script")),
    closeSession: () => Promise.resolve(true),
    listSessions: () => Promise.resolve({ sessions: [], logins: [] }),
    authorize: (input) => {
      asked.authorized.push(input);
      return script.authorize?.() ?? Promise.resolve(AUTHORIZED);
    },
    revokeKey: () => script.revokeKey?.() ?? Promise.resolve(true),
    finishIdempotent: () => Promise.resolve(),
    forgetIdempotent: () => Promise.resolve(),
    awaitIdempotent: () => Promise.resolve("forgotten"),
    renewGrants: () => Promise.reject(new Error("not the edge's")),
    grantCredit: () => Promise.resolve("granted"),
    funds: () => script.funds?.() ?? Promise.reject(new Error("no script")),
    books: () => Promise.reject(new Error("no script")),
    changeOwnBudget: () => Promise.reject(new Error("no script")),
    erase: () => Promise.reject(new Error("no script")),
    webhookSecret: () => Promise.resolve("whsec_scripted"),
    settleMany: () => Promise.reject(new Error("not the edge's")),
  };
}

function scriptedHub(script: Script, asked: Asked): RegionHubStub {
  return {
    complete: () => Promise.reject(new Error("not the edge's")),
    completeText: async (request) => {
      asked.hubRequests.push(request);
      const outcome = await (script.complete?.() ?? Promise.reject(new Error("no script")));
      return outcome.ok ? JSON.stringify(outcome.completion) : outcome;
    },
    embed: (request) => {
      asked.embeddingRequests.push(request);
      return script.embed?.() ?? Promise.reject(new Error("no script"));
    },
    countTokens: (request) => {
      asked.countRequests.push(request);
      return script.countTokens?.() ?? Promise.reject(new Error("no script"));
    },
    listModels: () => script.listModels?.() ?? Promise.resolve([]),
    adapterResidency: (digests) => script.adapterResidency?.(digests) ?? Promise.resolve([]),
    fairShare: (tenantId) => script.fairShare?.(tenantId) ?? Promise.reject(new Error("no script")),
    fetch: async (_url, init) => {
      asked.hubRequests.push(await new Response(init.body).json<HubRequest>());
      return script.stream?.() ?? Promise.reject(new Error("no script"));
    },
  };
}

/** A namespace of one object that notes the names it was asked for. */
function namespaceOf<Stub>(stub: Stub, names: string[]): ObjectNamespace<Stub> {
  return {
    getByName(name) {
      names.push(name);
      return stub;
    },
  };
}

/** The edge's parts over this script. */
export function scriptedDeps(script: Script = {}, asked: Asked = nothingAsked()): EdgeDependencies {
  const clock = { nowMs: () => NOW_MS };
  const controlDb = openControlDb(env.CONTROL_DB);
  return {
    config: {
      region: "local",
      hubShardCount: 2,
      clientAddress: "cf-connecting-ip",
      keyPepper: PEPPER,
      adminTokenHash: ADMIN_TOKEN_HASH,
      accounts: namespaceOf(scriptedAccount(script, asked), asked.accounts),
      hubs: namespaceOf(scriptedHub(script, asked), asked.hubs),
      batches: {
        getByName: () => {
          throw new Error("no script");
        },
      },
      jobs: {
        listJobs: () => Promise.reject(new Error("no script")),
        runJob: () => Promise.reject(new Error("no script")),
      },
      controlDb: env.CONTROL_DB,
      ledgerDb: env.LEDGER_DB,
      artifacts: env.ARTIFACTS,
      retained: env.RETAINED,
    },
    clock,
    random,
    controlDb,
    adapterNames: new AdapterNames(controlDb, clock),
    ledgers: { fallback: openLedgerDb(env.LEDGER_DB), byTenant: new Map() },
  };
}

function nothingAsked(): Asked {
  return {
    accounts: [],
    hubs: [],
    admits: [],
    authorized: [],
    released: [],
    hubRequests: [],
    embeddingRequests: [],
    countRequests: [],
  };
}

/** The app over this script, and what it asked of account and hub. */
export function scriptedEdge(script: Script = {}) {
  const asked = nothingAsked();
  const app = createApp(scriptedDeps(script, asked));
  return {
    asked,
    /** Sends a request with a good key and waits for what runs after the answer. */
    async send(path: string, init: RequestInit = {}): Promise<Response> {
      const headers = new Headers(init.headers);
      if (!headers.has("authorization")) {
        headers.set("authorization", `Bearer ${await scriptedKey()}`);
      }
      const execution = createExecutionContext();
      const request = new Request(`https://edge.test${path}`, { ...init, headers });
      const response = await app.fetch(request, env, execution);
      await waitOnExecutionContext(execution);
      return response;
    },
    /** POSTs a chat request. */
    chat(body: unknown, init: RequestInit = {}): Promise<Response> {
      return this.send("/v1/chat/completions", {
        ...init,
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
    },
  };
}

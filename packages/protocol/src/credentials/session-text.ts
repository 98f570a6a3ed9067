// Owns the two secrets of the dashboard as kinds of a tenant's secrets: the one-time login token that a person is
// given, and the session that it is exchanged for, which travels in a cookie.
import type { CredentialKind } from "./tenant-credential.ts";

export const LOGIN_TOKEN: CredentialKind = {
  prefix: "fll1",
  idPrefix: "lgn",
  macDomain: "fairlane-login-token-mac-v1",
  hashDomain: "fairlane-login-token-hash-v1",
};

export const SESSION: CredentialKind = {
  prefix: "fls1",
  idPrefix: "ses",
  macDomain: "fairlane-session-mac-v1",
  hashDomain: "fairlane-session-hash-v1",
};

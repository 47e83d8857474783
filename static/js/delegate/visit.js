// A visit: one thing, half an hour, its cards one after the other in one reader.

import { signByBridge } from "/js/bridge.js";
import { get, post } from "/js/service.js";

const API = "/api/delegate/";
/** What each card signs for; the bridge's window says it in words. */
const ORGANISATION = { "find-organisation": "find-organisation" };
const CITIZEN = { "find-serial": "find-serial", "accept-invitation": "accept-invitation", "renew-handler": "renew-handler" };
const TERMS = ["register", "replace-organisation", "replace-manager", "replace-both"];

export const needsTerms = (kind) => TERMS.includes(kind);
export const hasOrganisation = (kind) => !(kind in CITIZEN);
export const hasTwoCards = (kind) => hasOrganisation(kind) && kind !== "find-organisation";

let token = "";
let kind = "";
let view = null;

export const current = () => view;

/** Begins anew: what was shown before counts for nothing. */
export function forget(next) {
  kind = next;
  token = "";
  view = null;
}

const headers = () => ({ "chayan-visit": token });
export const ask = (path) => get(API + path, headers());
export const tell = (path, body) => post(API + path, body, headers());

export async function begin(invitation) {
  const begun = await post(`${API}visits`, invitation ? { kind, invitation } : { kind });
  token = begun.visit;
  return begun;
}

const challenge = async () => (await tell("visit/challenges", {})).challenge;

export async function showOrganisation(code) {
  if (!token) await begin();
  const document = { visit: kind, code };
  if (needsTerms(kind)) document.agreed = (await get(`${API}terms`)).terms;
  const purpose = ORGANISATION[kind] ?? "confirm-organisation";
  const signed = await signByBridge(["organisation", "company"], purpose, document, challenge);
  view = await tell("visit/organisation", signed);
  return view;
}

export async function showCitizen(nationalId) {
  if (!token) await begin();
  const document = { visit: kind };
  if (view?.organisationSignature) document.organisationSignature = view.organisationSignature;
  const purpose = CITIZEN[kind] ?? "confirm-manager";
  const signed = await signByBridge(["citizen"], purpose, document, challenge);
  view = await tell("visit/citizen", { ...signed, nationalId });
  return view;
}

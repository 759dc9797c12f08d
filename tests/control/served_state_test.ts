import assert from "node:assert/strict";
import {
  type CertificateSet,
  NO_CERTIFICATES,
  type RouteCertificate,
} from "../../src/control/certificate_set.ts";
import { preparationOf } from "../../src/control/served_state.ts";
import { Slots } from "../../src/control/slots.ts";
import { configurationOf } from "./certificate_folder.ts";
import { stateOf } from "./workers.ts";

const A: RouteCertificate = { pems: { routeId: 1, chain: "a", key: "ak" } };
const B: RouteCertificate = { pems: { routeId: 2, chain: "b", key: "bk", authorities: "ca" } };
const B_RENEWED: RouteCertificate = { pems: { routeId: 2, chain: "b2", key: "bk", authorities: "ca" } };
const B_LOST: RouteCertificate = { pems: { routeId: 2, authorities: "ca" } };

/** A set whose texts are their own digests, in capitals. */
function setOf(...routes: readonly RouteCertificate[]): CertificateSet {
  const digests = routes.flatMap(({ pems: { chain, key, authorities } }) => [chain, key, authorities]);
  const texts = digests.filter((digest) => digest !== undefined).map((digest) =>
    [digest, digest.toUpperCase()] as const
  );
  return { texts: new Map(texts), routes: new Map(routes.map((route) => [route.pems.routeId, route])) };
}

const STEPS: {
  name: string;
  before: CertificateSet;
  next: CertificateSet;
  texts: string[];
  routes: number[];
}[] = [
  {
    name: "everything, to a new worker",
    before: NO_CERTIFICATES,
    next: setOf(A, B),
    texts: ["a", "ak", "b", "bk", "ca"],
    routes: [1, 2],
  },
  { name: "nothing, when all is the same", before: setOf(A, B), next: setOf(A, B), texts: [], routes: [] },
  { name: "what was renewed", before: setOf(A, B), next: setOf(A, B_RENEWED), texts: ["b2"], routes: [2] },
  { name: "a certificate that is lost", before: setOf(A, B), next: setOf(A, B_LOST), texts: [], routes: [2] },
  { name: "nothing of a route that has gone", before: setOf(A, B), next: setOf(A), texts: [], routes: [] },
  { name: "a route that came", before: setOf(A), next: setOf(A, B), texts: ["b", "bk", "ca"], routes: [2] },
];

Deno.test("preparationOf() tells of certificates what the worker doesn't know yet", async (t) => {
  for (const { name, before, next, texts, routes } of STEPS) {
    await t.step(name, () => {
      const state = { ...stateOf(configurationOf()), certificates: next };
      const { pems, routePems } = preparationOf(state, [], new Slots(), before);
      assert.deepEqual([...pems], texts.map((digest) => [digest, digest.toUpperCase()]));
      assert.deepEqual(routePems.map(({ routeId }) => routeId), routes);
    });
  }
});

import assert from "node:assert/strict";
import { CertificateAuthority, type LeafOptions, notAfter } from "./certificates.ts";
import { tlsHttpBackend } from "./backends.ts";

async function fetchFrom(url: string, ca: string): Promise<string> {
  using client = Deno.createHttpClient({ caCerts: [ca] });
  const response = await fetch(url, { client });
  return await response.text();
}

const HOUR_MS = 3_600_000;

const LEAVES: { name: string; leaf: LeafOptions; accepted: boolean }[] = [
  { name: "the name", leaf: { names: ["localhost"] }, accepted: true },
  { name: "another name", leaf: { names: ["other.test"] }, accepted: false },
  {
    name: "the name, expired",
    leaf: { names: ["localhost"], notAfter: new Date(Date.now() - HOUR_MS / 2) },
    accepted: false,
  },
  { name: "the name, for clients only", leaf: { names: ["localhost"], usage: "client" }, accepted: false },
];

Deno.test("CertificateAuthority.issue() makes leaves that a real client accepts or refuses", async (t) => {
  const authority = await CertificateAuthority.create();
  for (const { name, leaf, accepted } of LEAVES) {
    await t.step(name, async () => {
      await using backend = tlsHttpBackend({ ...await authority.issue(leaf), body: "hello" });
      const answer = fetchFrom(`https://localhost:${backend.port}/`, authority.certificate);
      if (accepted) assert.equal(await answer, "hello");
      else await assert.rejects(answer, (error: Error) => /certificate/i.test(String(error.cause)));
    });
  }
});

Deno.test("CertificateAuthority.load() signs what the stored authority's certificate verifies", async () => {
  const first = await CertificateAuthority.create();
  const second = await CertificateAuthority.load(await first.pair());
  const leaf = await second.issue({ names: ["localhost"] });
  await using backend = tlsHttpBackend({ ...leaf, body: "again" });
  assert.equal(await fetchFrom(`https://localhost:${backend.port}/`, first.certificate), "again");
  assert.ok(notAfter(leaf.certificate).getTime() > Date.now());
});

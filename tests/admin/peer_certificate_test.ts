import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";

import { judgeCertificate } from "../../src/admin/peer_certificate.ts";
import { CertificateAuthority, type LeafOptions } from "../support/certificates.ts";

const HOUR_MS = 3_600_000;

async function verdictOf(
  options: LeafOptions,
  { signer, trusted, nowMs = Date.now() }: {
    signer: CertificateAuthority;
    trusted: CertificateAuthority;
    nowMs?: number;
  },
): Promise<string> {
  const { certificate } = await signer.issue(options);
  const shown = [new X509Certificate(certificate).raw];
  const authorities = [new X509Certificate(trusted.certificate)];
  const verdict = judgeCertificate(shown, { authorities, nowMs });
  return verdict.kind === "refused" ? verdict.detail : verdict.names.join(" ");
}

Deno.test("judgeCertificate() trusts what the current authority signed for clients, in its time", async () => {
  const ours = await CertificateAuthority.create("CN=ours");
  const theirs = await CertificateAuthority.create("CN=ours");
  const client: LeafOptions = { names: ["ops.test"], usage: "client", subject: "CN=ops" };
  const by = (signer: CertificateAuthority, nowMs?: number) => ({
    signer,
    trusted: ours,
    ...(nowMs !== undefined && { nowMs }),
  });
  assert.equal(await verdictOf(client, by(ours)), "ops.test ops");
  assert.equal(await verdictOf({ ...client, usage: "both" }, by(ours)), "ops.test ops");
  assert.match(await verdictOf({ ...client, usage: "server" }, by(ours)), /not for client authentication/);
  assert.match(await verdictOf(client, by(theirs)), /not signed by client_ca/);
  const past = new Date(Date.now() - HOUR_MS);
  assert.match(
    await verdictOf({ ...client, notBefore: new Date(0), notAfter: past }, by(ours)),
    /it has expired/,
  );
  const soon = new Date(Date.now() + HOUR_MS);
  assert.match(await verdictOf({ ...client, notBefore: soon }, by(ours)), /not yet valid/);
  assert.match(await verdictOf(client, by(ours, Date.now() + 31 * 24 * HOUR_MS)), /expired/);
});

Deno.test("judgeCertificate() refuses nothing, garbage, and the authority itself", async () => {
  const ours = await CertificateAuthority.create("CN=ours");
  const certificate = new X509Certificate(ours.certificate);
  const judge = { authorities: [certificate], nowMs: Date.now() };
  for (const shown of [[], [Uint8Array.of(1, 2, 3)], [certificate.raw]]) {
    assert.equal(judgeCertificate(shown, judge).kind, "refused");
  }
});

Deno.test("judgeCertificate() follows the certificates between, and says until when all of them are valid", async () => {
  const root = await CertificateAuthority.create("CN=root");
  const between = await root.subordinate("CN=between");
  const notAfter = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + HOUR_MS);
  const { certificate } = await between.issue({ names: ["ops.test"], usage: "client", notAfter });
  const [leaf, middle] = [certificate, between.certificate].map((pem) => new X509Certificate(pem).raw);
  const judge = { authorities: [new X509Certificate(root.certificate)], nowMs: Date.now() };
  const verdict = judgeCertificate([leaf!, middle!], judge);
  assert.equal(verdict.kind === "trusted" && verdict.validUntilMs, notAfter.getTime());
  assert.match(JSON.stringify(judgeCertificate([leaf!], judge)), /not signed by client_ca/);
  const late = judgeCertificate([leaf!, middle!], { ...judge, nowMs: root.notAfter.getTime() + 1 });
  assert.match(JSON.stringify(late), /it has expired/);
});

Deno.test("judgeCertificate() lets nobody sign who is no authority, also when he is trusted himself", async () => {
  const root = await CertificateAuthority.create("CN=root");
  const pinned = await root.issue({ names: ["looker.test"], usage: "client", isUnrestricted: true });
  const forger = await CertificateAuthority.load(pinned);
  const forged = await forger.issue({ names: ["ops.test"], usage: "client" });
  const judge = { authorities: [new X509Certificate(pinned.certificate)], nowMs: Date.now() };
  const verdict = judgeCertificate([new X509Certificate(forged.certificate).raw], judge);
  assert.match(JSON.stringify(verdict), /not signed by client_ca/);
});

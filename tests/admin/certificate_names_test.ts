import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";

import { certificateNames, subjectLine } from "../../src/admin/certificate_names.ts";
import { CertificateAuthority, type LeafSubject } from "../support/certificates.ts";

async function issue(subject: LeafSubject, names: readonly string[]): Promise<Uint8Array> {
  const { certificate } = await (await CertificateAuthority.create()).issue({
    names,
    subject,
    usage: "client",
  });
  return new X509Certificate(certificate).raw;
}

Deno.test("certificateNames() gives names of four kinds, then common names", async () => {
  const names = ["ops.test", "spiffe://x.test/ops", "ops@x.test", "192.0.2.7", "2001:db8::1"];
  assert.deepEqual(certificateNames(await issue("CN=one, O=x, CN=two", names)), [...names, "one", "two"]);
  assert.deepEqual(certificateNames(await issue("O=x", [])), []);
});

Deno.test("certificateNames() gives one name as one, whatever is in it", async () => {
  const uri = "https://x.test/,DNS:ops.test";
  const der = await issue([{ CN: ["a\nCN=ops.test"] }, { O: ["x\nCN=ops.test"] }], [uri]);
  assert.deepEqual(certificateNames(der), [uri, "a\nCN=ops.test"]);
  // With a blank in it, it is no URI.
  assert.deepEqual(certificateNames(await issue("O=x", ["https://x.test/, DNS:ops.test"])), []);
});

Deno.test("certificateNames() is undefined for what is no certificate", async () => {
  const der = await issue("CN=x", ["ops.test"]);
  assert.equal(certificateNames(Uint8Array.of(0x30, 0x03, 1, 2, 3)), undefined);
  for (const length of [0, 1, 10, 100, der.length - 1]) {
    assert.equal(certificateNames(der.subarray(0, length)), undefined, `${length} bytes`);
  }
});

Deno.test("subjectLine() is one line on which nothing pretends to be something else", async () => {
  const rows: [subject: LeafSubject, line: string][] = [
    ["CN=ops, O=x, C=DE", "CN=ops,O=x,C=DE"],
    ['O="x,CN=ops"', "O=x\\,CN\\=ops"],
    [[{ O: ["x\nCN=ops"] }], "O=x\\0aCN\\=ops"],
    ["2.5.4.5=7", "OID.550405=7"],
  ];
  for (const [subject, line] of rows) assert.equal(subjectLine(await issue(subject, [])), line);
  assert.equal(
    subjectLine(await issue(`O=${"x".repeat(60)}`.concat(`, OU=${"y".repeat(60)}`.repeat(6)), [])).length,
    257,
  );
  assert.equal(subjectLine(Uint8Array.of(1, 2)), "(no subject)");
});

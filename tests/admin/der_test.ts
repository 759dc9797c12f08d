import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";

import { elementsOf, extensionElements, subjectAttributes } from "../../src/admin/der.ts";
import { mayAuthenticateClient } from "../../src/admin/extended_key_usage.ts";
import { CertificateAuthority } from "../support/certificates.ts";

Deno.test("elementsOf() gives what fills the bytes exactly, and nothing for anything else", () => {
  assert.deepEqual(elementsOf(Uint8Array.of(4, 1, 9, 5, 0)), [
    { tag: 4, content: Uint8Array.of(9) },
    { tag: 5, content: new Uint8Array(0) },
  ]);
  assert.equal(elementsOf(Uint8Array.of(4, 0x81, 1, 9))?.length, 1);
  for (
    const bytes of [[4], [4, 2, 9], [4, 0x80, 0, 0], [4, 0x85, 0, 0, 0, 0, 1, 9], [4, 0x82, 1], [4, 1, 9, 5]]
  ) {
    assert.equal(elementsOf(Uint8Array.from(bytes)), undefined, bytes.join(" "));
  }
});

Deno.test("certificates with any byte changed or cut off are read or not, and never throw", async () => {
  const authority = await CertificateAuthority.create();
  const { certificate } = await authority.issue({ names: ["a.test", "b@x.test"], usage: "both" });
  const der = new X509Certificate(certificate).raw;
  fc.assert(fc.property(fc.nat(der.length - 1), fc.nat(255), fc.boolean(), (at, byte, isCut) => {
    const bytes = isCut ? der.slice(0, at) : Uint8Array.from(der);
    if (!isCut) bytes[at] = byte;
    subjectAttributes(bytes);
    extensionElements(bytes, "55 1d 11");
    if (isCut) assert.equal(mayAuthenticateClient(bytes), false);
  }));
});

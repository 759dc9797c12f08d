import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { connect, createServer, type TLSSocket } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { ProxyError } from "../../src/errors.ts";
import {
  coversHostname,
  daysUntilExpiry,
  isValidAt,
  parseAuthorities,
  parseCertificatePair,
  secureContextOf,
} from "../../src/net/certificates.ts";
import { CertificateAuthority, type KeyPair, selfSigned } from "../support/certificates.ts";

const DAY_MS = 86_400_000;
/** What the tests work with, minted once. */
interface Minted {
  readonly authority: CertificateAuthority;
  readonly own: KeyPair;
  readonly other: KeyPair;
  readonly rsa: KeyPair;
  readonly weak: KeyPair;
  readonly ed25519: KeyPair;
}

let minting: Promise<Minted> | undefined;

function minted(): Promise<Minted> {
  return minting ??= mint();
}

async function mint(): Promise<Minted> {
  const authority = await CertificateAuthority.create();
  const own = await authority.issue({ names: ["a.test", "*.b.test", "192.0.2.1"] });
  const other = await authority.issue({ names: ["a.test"] });
  const rsa = await selfSigned("RSA-2048", ["a.test"]);
  const weak = await selfSigned("RSA-1024", ["a.test"]);
  const ed25519 = await selfSigned("Ed25519", ["a.test"]);
  return { authority, own, other, rsa, weak, ed25519 };
}

function exported(key: string, type: "pkcs1" | "sec1", passphrase?: string): string {
  const options = passphrase === undefined ? {} : { cipher: "aes-128-cbc", passphrase };
  return createPrivateKey(key).export({ type, format: "pem", ...options }) as string;
}

/** What a client is shown by a server with that pair, after a whole handshake. */
async function shownBy({ certificate, key }: KeyPair): Promise<string> {
  const pair = parseCertificatePair(certificate, key);
  const server = createServer({
    SNICallback: (_name, done) => done(null, secureContextOf(pair.chain, pair.key)),
  });
  server.on("secureConnection", (socket) => socket.on("error", () => {}).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client: TLSSocket = connect({
    port,
    host: "127.0.0.1",
    servername: "a.test",
    rejectUnauthorized: false,
  });
  try {
    await once(client, "secureConnect");
    return Uint8Array.from(client.getPeerCertificate().raw).toBase64();
  } finally {
    client.destroy();
    server.close();
    await once(server, "close");
  }
}

function derOf(certificate: string): string {
  return certificate.replace(/-----[^-]+-----|\s/g, "");
}

const usable = ({ own, rsa, ed25519 }: Minted): [name: string, pair: KeyPair][] => [
  ["ECDSA, PKCS#8", own],
  ["ECDSA, SEC 1", { ...own, key: exported(own.key, "sec1") }],
  ["ECDSA, SEC 1 behind its parameters", {
    ...own,
    key: `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${
      exported(own.key, "sec1")
    }`,
  }],
  ["RSA, PKCS#8", rsa],
  ["RSA, PKCS#1", { ...rsa, key: exported(rsa.key, "pkcs1") }],
  ["Ed25519", ed25519],
  ["both in one text, with remarks", {
    certificate: `subject=a.test\n${own.key}${own.certificate}`,
    key: `${own.key}${own.certificate}`,
  }],
  ["CR LF", { certificate: own.certificate.replaceAll("\n", "\r\n"), key: own.key.replaceAll("\n", "\r\n") }],
];

Deno.test("parseCertificatePair() takes what a handshake can use", async (t) => {
  for (const [name, pair] of usable(await minted())) {
    await t.step(name, async () => {
      const leaf = /-----BEGIN CERT[^-]+-----[^-]+-----END[^-]+-----/.exec(pair.certificate)?.[0] ?? "";
      assert.equal(await shownBy(pair), derOf(leaf));
    });
  }
});

Deno.test("parseCertificatePair() keeps certificates and key apart", async () => {
  const { own, authority } = await minted();
  const both = own.certificate + own.key + authority.certificate;
  const { chain, key } = parseCertificatePair(both, both);
  assert.equal(chain.match(/BEGIN/g)?.length, 2);
  assert.ok(!chain.includes("PRIVATE") && !key.includes("CERTIFICATE"));
});

Deno.test("parseCertificatePair() reads names and dates of the leaf", async () => {
  const { own, authority } = await minted();
  const { names, validity } = parseCertificatePair(own.certificate + authority.certificate, own.key);
  assert.deepEqual(names, ["a.test", "*.b.test"]);
  const now = Date.now();
  assert.equal(daysUntilExpiry(validity, now), 29);
  assert.equal(daysUntilExpiry(validity, validity.notAfterMs + 1), -1);
  assert.ok(isValidAt(validity, now));
  assert.ok(!isValidAt(validity, now - DAY_MS) && !isValidAt(validity, now + 31 * DAY_MS));
});

const broken = (
  { authority, own, other, rsa, weak }: Minted,
): [name: string, certificate: string, key: string, message: RegExp][] => [
  ["no certificate", "", own.key, /no PEM certificate/],
  ["DER", "0\x82\x01", own.key, /no PEM certificate/],
  ["no key", own.certificate, own.certificate, /holds 0 PEM private keys/],
  ["two keys", own.certificate, own.key + other.key, /holds 2 PEM private keys/],
  ["the key of another certificate", own.certificate, other.key, /not that of the first certificate/],
  ["a key of another kind", own.certificate, rsa.key, /not that of the first certificate/],
  ["the chain's authority first", authority.certificate + own.certificate, own.key, /not that of the first/],
  ["an encrypted key", own.certificate, own.key.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"), /is encrypted/],
  ["an encrypted key of the old form", rsa.certificate, exported(rsa.key, "pkcs1", "secret"), /is encrypted/],
  ["a key too weak for TLS", weak.certificate, weak.key, /TLS can't use/],
  ["a certificate cut in the middle", own.certificate.slice(0, 300), own.key, /no PEM certificate/],
  ["a certificate with a byte lost", own.certificate.replace(/MII./, "MII"), own.key, /can't be read/],
  ["a key with bytes lost", own.certificate, own.key.replace(/MI....../, ""), /can't be read/],
  [
    "a broken second certificate",
    `${own.certificate}${certificateOf("AAAA")}`,
    own.key,
    /of the chain can't be read/,
  ],
];

function certificateOf(base64: string): string {
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}

Deno.test("parseCertificatePair() says what is wrong and nothing of the key", async (t) => {
  for (const [name, certificate, key, message] of broken(await minted())) {
    await t.step(name, () => {
      assert.throws(() => parseCertificatePair(certificate, key), (error) => {
        assert.ok(error instanceof ProxyError && error.code === "unavailable");
        assert.match(error.message, message);
        for (const line of key.split("\n").filter((text) => text.length > 8 && !text.startsWith("-"))) {
          assert.ok(!`${error.stack}${error.cause}`.includes(line), "the key is in the message");
        }
        return true;
      });
    });
  }
});

Deno.test("parseAuthorities() reads every certificate of a bundle", async () => {
  const { authority, rsa } = await minted();
  const bundle = `# first\n${authority.certificate}\n# second\n${rsa.certificate}`;
  assert.deepEqual(parseAuthorities(bundle).map(derOf), [authority.certificate, rsa.certificate].map(derOf));
});

Deno.test("parseAuthorities() refuses a bundle with nothing or something unreadable in it", async () => {
  const { authority } = await minted();
  for (const text of ["", "-----BEGIN CERTIFICATE-----", authority.certificate + certificateOf("AAAA")]) {
    assert.throws(() => parseAuthorities(text), { code: "unavailable" });
  }
});

const COVERED: [names: string[], hostname: string, expected: boolean][] = [
  [["a.test"], "a.test", true],
  [["a.test"], "b.test", false],
  [["*.a.test"], "x.a.test", true],
  [["*.a.test"], "a.test", false],
  [["*.a.test"], "x.y.a.test", false],
  [["*.a.test"], "*.a.test", true],
  [["x.a.test"], "*.a.test", false],
  [["*.test"], "*.a.test", false],
  [["b.test", "a.test"], "a.test", true],
  [[], "a.test", false],
  [[], "*", true],
];

Deno.test("coversHostname() compares names as clients do", () => {
  for (const [names, hostname, expected] of COVERED) {
    assert.equal(coversHostname(names, hostname), expected, `${names} for ${hostname}`);
  }
});

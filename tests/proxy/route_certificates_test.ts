import assert from "node:assert/strict";
import { CertificateFiles } from "../../src/control/certificate_files.ts";
import { type CertificateSet, NO_CERTIFICATES } from "../../src/control/certificate_set.ts";
import { preparationOf } from "../../src/control/served_state.ts";
import { Slots } from "../../src/control/slots.ts";
import { LINE_BYTES_MAX, type PrepareMessage } from "../../src/proxy/messages.ts";
import { prepareMessages } from "../../src/proxy/preparation.ts";
import { RouteCertificates } from "../../src/proxy/route_certificates.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Configuration } from "../../src/state/model.ts";
import { CertificateFolder, configurationOf } from "../control/certificate_folder.ts";

/** The lines that a worker gets when it is to go from one set to the next, as they are on the pipe. */
function linesOf(
  configuration: Configuration,
  before: CertificateSet,
  certificates: CertificateSet,
): string[] {
  const options = {
    limits: DEFAULT_LIMITS,
    blockUnknownCountry: false,
    limitMode: "enforce" as const,
    tellsRequests: false,
  };
  const state = { configuration, revision: 1, generation: 0, certificates, options };
  return [...prepareMessages(preparationOf(state, [], new Slots(), before))].map((part) =>
    JSON.stringify(part)
  );
}

/** What a worker makes of these lines. */
function take(current: RouteCertificates, lines: string[], routeIds: readonly number[]): RouteCertificates {
  const parts = lines.map((line) => JSON.parse(line) as PrepareMessage);
  return current.next({
    pemPieces: parts.flatMap((part) => part.pemPieces),
    routePems: parts.flatMap((part) => part.routePems),
    isServed: (routeId) => routeIds.includes(routeId),
  });
}

async function read(configuration: Configuration, previous = NO_CERTIFICATES): Promise<CertificateSet> {
  return (await new CertificateFiles().read(configuration, previous, Date.now())).set;
}

Deno.test("RouteCertificates.next() makes one context per certificate out of the parts", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  await folder.issue("b", "b.test");
  const configuration = configurationOf(
    folder.route(1, "a.test", "a"),
    folder.route(2, "b.test", "b"),
    folder.route(3, "*", "a"),
    folder.route(4, "d.test", "none"),
  );
  const lines = linesOf(configuration, NO_CERTIFICATES, await read(configuration));
  const certificates = take(RouteCertificates.NONE, lines, [1, 2, 3, 4]);
  assert.ok(certificates.secureContext(1) !== undefined);
  assert.equal(certificates.secureContext(3), certificates.secureContext(1));
  assert.notEqual(certificates.secureContext(2), certificates.secureContext(1));
  assert.equal(certificates.secureContext(4), undefined);
  assert.equal(certificates.secureContext(5), undefined);
  assert.equal(certificates.backendAuthorities(1), undefined);
});

Deno.test("RouteCertificates.next() keeps contexts of what is the same and changes the others", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  await folder.issue("b", "b.test");
  await folder.write("ca.pem", folder.authority.certificate);
  const tls = { backendTls: true, backendProtocol: "h2", backendCa: folder.path("ca.pem") } as const;
  const configuration = configurationOf(folder.route(1, "a.test", "a"), folder.route(2, "b.test", "b", tls));
  const firstSet = await read(configuration);
  const first = take(RouteCertificates.NONE, linesOf(configuration, NO_CERTIFICATES, firstSet), [1, 2]);
  await folder.issue("a", "a.test");
  const secondSet = await read(configuration, firstSet);
  const lines = linesOf(configuration, firstSet, secondSet);
  const second = take(first, lines, [1, 2]);
  assert.notEqual(second.secureContext(1), first.secureContext(1));
  assert.equal(second.secureContext(2), first.secureContext(2));
  assert.equal(second.backendAuthorities(2), first.backendAuthorities(2));
  assert.deepEqual(second.backendAuthorities(2)?.certificates, [folder.authority.certificate]);
  assert.equal(lines.join("").match(/BEGIN/g)?.length, 2, "more than the new certificate and key travelled");
  assert.equal(
    take(second, linesOf(configuration, secondSet, secondSet), [1, 2]).secureContext(1),
    second.secureContext(1),
  );
});

Deno.test("RouteCertificates.next() pairs a text that it knows with a new one", async () => {
  await using folder = await CertificateFolder.create();
  const pair = await folder.issue("a", "a.test");
  const configuration = configurationOf(folder.route(1, "a.test", "a"));
  const firstSet = await read(configuration);
  const first = take(RouteCertificates.NONE, linesOf(configuration, NO_CERTIFICATES, firstSet), [1]);
  await folder.write("a.crt", pair.certificate + folder.authority.certificate);
  const second = take(first, linesOf(configuration, firstSet, await read(configuration, firstSet)), [1]);
  assert.ok(second.secureContext(1) !== undefined);
  assert.notEqual(second.secureContext(1), first.secureContext(1));
});

Deno.test("RouteCertificates.next() forgets routes that are gone and what they alone used", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const configuration = configurationOf(folder.route(1, "a.test", "a"));
  const set = await read(configuration);
  const first = take(RouteCertificates.NONE, linesOf(configuration, NO_CERTIFICATES, set), [1]);
  const second = first.next({ pemPieces: [], routePems: [], isServed: () => false });
  assert.equal(second.secureContext(1), undefined);
  const routePems = [set.routes.get(1)!.pems];
  assert.throws(() => second.next({ pemPieces: [], routePems, isServed: () => true }), { code: "internal" });
});

Deno.test("prepareMessages() cuts PEM texts so that no line is too long", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const bundle = folder.authority.certificate.repeat(400);
  await folder.write("ca.pem", bundle);
  const tls = { backendTls: true, backendProtocol: "h2", backendCa: folder.path("ca.pem") } as const;
  const routes = Array.from({ length: 1_000 }, (_, index) => folder.route(index + 1, "*", "a", tls));
  const configuration = configurationOf(...routes);
  const lines = linesOf(configuration, NO_CERTIFICATES, await read(configuration));
  const longest = Math.max(...lines.map((line) => new TextEncoder().encode(`${line}\n`).length));
  assert.ok(longest <= LINE_BYTES_MAX && lines.length > 10, `${longest}`);
  const certificates = take(RouteCertificates.NONE, lines, routes.map(({ id }) => id));
  assert.equal(certificates.backendAuthorities(1_000)?.certificates.join(""), bundle);
  assert.equal(certificates.secureContext(1_000), certificates.secureContext(1));
});

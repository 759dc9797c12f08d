/**
 * Goal: a browser's and a script's requests reach every kind of backend through layer-7 routes, which share a listener
 * with layer-4 routes; what can't be served is answered.
 * Method: the real program, curl over h2 and HTTP/1.1, a backend that speaks h2c, h2 over TLS and HTTP/1.1.
 *
 * @module
 */

import assert from "node:assert/strict";
import { freePort } from "../support/ports.ts";
import { patternSha256 } from "../support/pattern.ts";
import { fillPattern } from "../support/pattern.ts";
import { serveQuietly } from "../support/quiet.ts";
import { endings } from "./endings.ts";
import { curl, openSite, type Site } from "./l7_site.ts";

const MIB = 1_048_576;
const CLIENTS = [["--http2", "2"], ["--http1.1", "1.1"]] as const;
const BACKENDS = ["h2c.test", "h1.test", "h2tls.test", "h1tls.test"] as const;

async function patternFile(site: Site, bytes: number): Promise<string> {
  const path = `${site.folder}/pattern-${bytes}`;
  const content = new Uint8Array(bytes);
  fillPattern(content, 0);
  await Deno.writeFile(path, content);
  return path;
}

Deno.test("requests of both versions reach backends of every protocol and come back whole", async (t) => {
  await using site = await openSite();
  const file = await patternFile(site, MIB);
  const count = CLIENTS.length * BACKENDS.length * 5;
  const connections = await serveQuietly({ listeners: [{ routes: site.routes }] }, async (proxy) => {
    const { addr } = proxy;
    for (const [flag, version] of CLIENTS) {
      for (const name of BACKENDS) {
        await t.step(`${flag} to ${name}`, async () => {
          const hello = await curl(site, addr, name, "/a?b=%2F", flag);
          assert.deepEqual([hello.status, hello.version, hello.body], [200, version, "hello /a\n"]);
          const up = await curl(site, addr, name, "/sha", flag, "--data-binary", `@${file}`);
          assert.deepEqual([up.status, up.body], [200, `${patternSha256(MIB)} ${MIB}\n`]);
          const down = await curl(site, addr, name, `/bytes/${MIB}`, flag);
          assert.deepEqual([down.status, down.sha256], [200, patternSha256(MIB)]);
          const echo = await curl(site, addr, name, "/echo", flag, "--data-binary", `@${file}`);
          assert.deepEqual([echo.status, echo.sha256], [200, patternSha256(MIB)]);
          const head = await curl(site, addr, name, "/x", flag, "--head");
          assert.equal(head.status, 200);
        });
      }
    }
    await endings(proxy, count);
  });
  // curl's kernel resets what curl has closed before it read our last control frames.
  assert.deepEqual(
    connections.map(({ reason }) => reason).filter((reason) => !/^client_(eof|reset)$/.test(`${reason}`)),
    [],
  );
  assert.equal(connections.length, count);
});

Deno.test("64 MiB go up and come down unchanged", async (t) => {
  await using site = await openSite();
  const bytes = 64 * MIB;
  const file = await patternFile(site, bytes);
  await serveQuietly({ listeners: [{ routes: site.routes }] }, async ({ addr }) => {
    for (
      const [flag, name] of [["--http2", "h2c.test"], ["--http1.1", "h1.test"], ["--http2", "h1tls.test"]]
    ) {
      await t.step(`${flag} ${name}`, async () => {
        const up = await curl(site, addr, name!, "/sha", flag!, "--data-binary", `@${file}`);
        assert.equal(up.body, `${patternSha256(bytes)} ${bytes}\n`);
        const down = await curl(site, addr, name!, `/bytes/${bytes}`, flag!);
        assert.equal(down.sha256, patternSha256(bytes));
      });
    }
  });
});

Deno.test("layer-4 and layer-7 routes share one listener", async () => {
  await using site = await openSite();
  const l4 = { hostname: "l4.test", backend: site.secure };
  const connections = await serveQuietly(
    { listeners: [{ routes: [...site.routes, l4] }] },
    async ({ addr }) => {
      for (const name of ["l4.test", "h2c.test", "l4.test", "h1.test"]) {
        const { status, body } = await curl(site, addr, name, "/mixed");
        assert.deepEqual([status, body], [200, "hello /mixed\n"]);
      }
    },
  );
  const terminated = connections.map(({ sni, tls_ms }) => `${sni} ${tls_ms !== undefined}`).sort();
  assert.deepEqual(terminated, ["h1.test true", "h2c.test true", "l4.test false", "l4.test false"]);
});

Deno.test("the backend is told who asked and what was asked for", async () => {
  await using site = await openSite();
  await serveQuietly({ listeners: [{ routes: site.routes }] }, async ({ addr }) => {
    const port = addr.split(":")[1];
    for (const name of BACKENDS) {
      const spoof = [
        "-H",
        "X-Forwarded-For: 1.2.3.4",
        "-H",
        "X_Real_IP: 1.2.3.4",
        "-H",
        "Forwarded: for=1.2.3.4",
      ];
      const { body } = await curl(site, addr, name, "/fields", ...spoof);
      const fields = new Map(JSON.parse(body) as [string, string][]);
      assert.equal(fields.get("x-forwarded-for"), "127.0.0.1");
      assert.equal(fields.get("x-real-ip"), "127.0.0.1");
      assert.equal(fields.get("x-forwarded-proto"), "https");
      assert.equal(fields.get("x-forwarded-host"), `${name}:${port}`);
      assert.equal(fields.get("x-forwarded-port"), port);
      assert.doesNotMatch(body, /1\.2\.3\.4/);
    }
  });
});

Deno.test("a backend that can't be reached or proved gives 502, another route's name 421, too much content 413", async () => {
  await using site = await openSite();
  const stranger = { ...site.backendTls, backend_ca: `${site.folder}/stranger.pem` };
  const otherName = { ...site.backendTls, backend_server_name: "wrong.test" };
  const file = await patternFile(site, MIB);
  const routes = [
    ...site.routes,
    site.route("down.test", `127.0.0.1:${freePort()}`),
    site.route("other.test", site.secure, stranger),
    site.route("l4.test", site.secure, otherName),
  ];
  const limited = [site.route("h2c.test", site.clear, { max_body_bytes: 1000 })];
  await serveQuietly({ listeners: [{ routes }, { routes: limited }] }, async ({ addrs: [addr, small] }) => {
    for (const [flag] of CLIENTS) {
      for (const name of ["down.test", "other.test", "l4.test"]) {
        const { status, body } = await curl(site, addr!, name, "/", flag);
        assert.deepEqual([name, status, /^502 Bad Gateway/.test(body)], [name, 502, true]);
      }
      const misdirected = await curl(site, addr!, "h2c.test", "/", flag, "-H", "Host: h1.test");
      assert.equal(misdirected.status, 421);
      const over = await curl(site, small!, "h2c.test", "/sha", flag, "--data-binary", `@${file}`);
      assert.equal(over.status, 413);
      const under = await curl(site, small!, "h2c.test", "/sha", flag, "--data-binary", "x");
      assert.equal(under.status, 200);
    }
  });
});

Deno.test("many requests share one connection, and a stop lets the open one end", async () => {
  await using site = await openSite();
  const log = { requests: true };
  const connections = await serveQuietly(
    { listeners: [{ routes: site.routes }], log },
    async ({ addr, program }) => {
      for (const [flag] of CLIENTS) {
        const { status } = await curl(site, addr, "h1.test", "/[1-5]", flag);
        assert.equal(status, 200);
      }
      const requests = () => program.events.filter(({ event }) => event === "request");
      await program.event(() => requests().length === 10);
      assert.equal(new Set(requests().map(({ connection }) => connection)).size, 2);
      assert.deepEqual(requests().map(({ path }) => path), [
        "/1",
        "/2",
        "/3",
        "/4",
        "/5",
        "/1",
        "/2",
        "/3",
        "/4",
        "/5",
      ]);
    },
  );
  assert.equal(connections.length, 2);
});

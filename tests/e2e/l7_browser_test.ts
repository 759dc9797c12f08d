/**
 * Goal: a browser shows pages from backends of every protocol, all over HTTP/2.
 * Method: the real program, and headless Chromium where it is installed, which looks at a page with a style sheet,
 * script, image, fetches, server-sent events and a WebSocket, and goes on from one route's page to the next.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { arrivals } from "../support/arrivals.ts";
import { hasProgram } from "../support/has_program.ts";
import type { LogEvent } from "../support/program.ts";
import { print } from "../support/print.ts";
import { serveQuietly } from "../support/quiet.ts";
import { eventually } from "./eventually.ts";
import { pageHandler, type PageReport } from "./browser_page.ts";
import { openSite, type Site } from "./l7_site.ts";

const TIMEOUT_MS = 60_000;
const HOSTS = ["h2c.test", "h2tls.test", "h1.test"] as const;
const RESOURCES = ["/", "/style.css", "/script.js", "/image.svg", "/events", "/echo", "/large"];
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--host-resolver-rules=MAP *.test 127.0.0.1",
];

/** Chromium at `url`, trusting the site's certificate alone. Disposal ends it and all that it has started. */
async function openBrowser(site: Site, url: string): Promise<AsyncDisposable> {
  const { publicKey } = new X509Certificate(await Deno.readTextFile(`${site.folder}/site.pem`));
  const key = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
  const own = [`--user-data-dir=${site.folder}/browser`, `--ignore-certificate-errors-spki-list=${key}`];
  const child = new Deno.Command("chromium", {
    args: [...FLAGS, ...own, url],
    env: { HOME: site.folder },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  return {
    [Symbol.asyncDispose]: async () => {
      try {
        Deno.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      await child.status;
    },
  };
}

Deno.test("Chromium shows pages from every kind of backend, each resource over HTTP/2", async () => {
  if (!hasProgram("chromium")) return print("skipped: chromium is not installed");
  await using site = await openSite();
  const reports: PageReport[] = [];
  const arrived = arrivals();
  let port = "";
  const handler = pageHandler((report) => {
    reports.push(report);
    arrived.notify();
    const next = HOSTS[reports.length];
    return next === undefined ? "" : `https://${next}:${port}/`;
  });
  const at = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const pem = (name: string) => Deno.readTextFileSync(`${site.folder}/${name}`);
  await using clear = Deno.serve(at, handler);
  await using secure = Deno.serve({ ...at, cert: pem("site.pem"), key: pem("site.key") }, handler);
  const routes = [
    site.route("h2c.test", `127.0.0.1:${clear.addr.port}`),
    site.route("h2tls.test", `127.0.0.1:${secure.addr.port}`, site.backendTls),
    site.route("h1.test", `127.0.0.1:${clear.addr.port}`, { backend_protocol: "http/1.1" }),
  ];
  const tables = { listeners: [{ routes }], log: { requests: true }, proxy: { shutdown_timeout: "10s" } };
  await serveQuietly(tables, async ({ addr, program }) => {
    port = addr.split(":")[1]!;
    {
      await using _browser = await openBrowser(site, `https://${HOSTS[0]}:${port}/`);
      await arrived.until(() => reports.length === HOSTS.length || undefined, TIMEOUT_MS);
    }
    assert.deepEqual(reports.map(({ host }) => host), HOSTS);
    for (const { protocols, ...report } of reports) {
      const { "/icon.svg": _, ...asked } = protocols;
      assert.deepEqual(asked, Object.fromEntries(RESOURCES.map((path) => [path, "h2"])));
      assert.deepEqual(report, {
        host: report.host,
        style: "rgb(1, 2, 3)",
        imageWidth: 37,
        script: "ran",
        echo: "posted ".repeat(10_000),
        bytes: 1_048_576,
        events: ["one", "two", "three"],
        socket: report.host === "h1.test" ? "over a WebSocket" : "",
      });
    }
    // Chromium's WebSocket, too, is a stream of HTTP/2 (RFC 8441).
    await eventually(
      "tunnel's event",
      () => program.events.some((event) => isTunnel(event, `h1.test:${port}`)),
    );
  });
});

function isTunnel(event: LogEvent, authority: string): boolean {
  const seen = [event["method"], event["authority"], event["path"], event["status"]];
  return seen.join(" ") === `CONNECT ${authority} /socket 200`;
}

/**
 * Goal: what README.md says of OpenTelemetry: with `OTEL_*` set, metrics of the main process' engine come out over
 * OTLP/HTTP, nothing else does, and workers know nothing of it.
 * Method: the program from source and a receiver; a compiled file has been told at its making, and exports nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import readme from "../../README.md" with { type: "text" };
import { clientHello } from "../support/client_hello.ts";
import { arrivals } from "../support/arrivals.ts";
import { startProxy } from "../support/proxy.ts";
import { exchange } from "../support/raw_client.ts";
import { stopQuietly } from "../support/quiet.ts";

interface Exported {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly { readonly name: string }[] }[];
  }[];
}

const TABLES = {
  listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
  grpc: { addr: "unix:admin.sock" },
  proxy: { workers: 1 },
};
const POSTS = 3;

Deno.test({
  name: "the runtime exports metrics of the main process when OTEL_* is set, and nothing else",
  ignore: Deno.env.has("MC_PROXY_BIN"),
  fn: async () => {
    const arrived = arrivals();
    const paths: string[] = [];
    const names = new Set<string>();
    const at = { hostname: "127.0.0.1", port: 0, onListen() {} };
    await using receiver = Deno.serve(at, async (request) => {
      paths.push(new URL(request.url).pathname);
      const { resourceMetrics } = await request.json() as Exported;
      for (const { scopeMetrics } of resourceMetrics) {
        for (const { metrics } of scopeMetrics) for (const { name } of metrics) names.add(name);
      }
      arrived.notify();
      return Response.json({});
    });
    const env = {
      OTEL_DENO: "true",
      OTEL_SERVICE_NAME: "mc-proxy",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRIC_EXPORT_INTERVAL: "200",
    };
    await using proxy = await startProxy(TABLES, { env });
    await exchange(proxy.addr, clientHello({ serverName: "a.test" }));
    const before = paths.length;
    assert.ok(
      await arrived.until(() => paths.length >= before + POSTS || undefined, 20_000),
      "nothing was exported",
    );
    const [worker] = proxy.program.workers();
    assert.doesNotMatch(await Deno.readTextFile(`/proc/${worker}/environ`), /OTEL/);
    await stopQuietly(proxy);
    assert.deepEqual([...new Set(paths)], ["/v1/metrics"]);
    assert.ok(names.size >= 4);
    for (const name of names) {
      const short = name.replace(/^.*(\.(?:heap\.size|physical_size))$/, "$1");
      assert.ok(
        readme.includes(`\`${name}\``) || readme.includes(`\`${short}\``),
        `README.md doesn't tell of ${name}`,
      );
    }
  },
});

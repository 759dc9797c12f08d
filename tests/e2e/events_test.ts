/**
 * Goal: every connection is told of exactly once, with every field right, in both formats; a log that nobody reads
 * holds no connection up and says afterwards what it lost; no key is ever printed.
 * Method: connections of several kinds, their whole events compared; a program whose output isn't read while
 * thousands of large events are made; a configuration that names a real key.
 *
 * @module
 */

import assert from "node:assert/strict";
import { answerBackend, echoBackend } from "../support/backends.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { clientHello, extension, latin1 } from "../support/client_hello.ts";
import { writeConfig } from "../support/config.ts";
import { type LogEvent, runProgram } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { isConnection, serveQuietly } from "../support/quiet.ts";
import { exchange, openClient, type RawClient } from "../support/raw_client.ts";
import { eventually } from "./eventually.ts";

const ALERT_BYTES = 7;
const HTTP = latin1("GET / HTTP/1.1\r\n\r\n");
/** encrypted_client_hello (RFC 9849), with content as browsers grease it. */
const ECH = extension(0xfe0d, new Uint8Array(186).fill(1));
const SERVED = clientHello({ serverName: "A.test", alpn: ["h2", "http/1.1"], extensions: [ECH] });
const PLAIN = clientHello({ version: "1.2" });
const UNKNOWN = clientHello({ serverName: "b.test" });

interface Row {
  readonly name: string;
  /** Sends and reads; returns when the connection has ended. */
  readonly use: (client: RawClient) => Promise<unknown>;
  /** All fields but time, id, listener, client and the times in ms. */
  readonly event: LogEvent;
  /** Which of the times in ms are there besides `total_ms`. */
  readonly times: readonly string[];
}

function send(bytes: Uint8Array): Row["use"] {
  return async (client) => {
    await client.send(bytes);
    await client.finish();
    await client.readToEnd();
  };
}

function rows(echo: string, answer: string): readonly Row[] {
  return [
    {
      name: "a served one",
      use: send(SERVED),
      event: {
        reason: "client_eof",
        sni: "a.test",
        alpn: ["h2", "http/1.1"],
        ech_offered: true,
        route: "a.test",
        backend: echo,
        bytes_received: SERVED.length,
        bytes_sent: SERVED.length,
      },
      times: ["hello_ms", "dial_ms"],
    },
    {
      name: "one without a name, that its backend ends",
      use: async (client) => {
        await client.send(PLAIN);
        await client.readToEnd();
        await client.finish();
      },
      event: {
        reason: "backend_eof",
        ech_offered: false,
        route: "*",
        backend: answer,
        bytes_received: PLAIN.length,
        bytes_sent: 4,
      },
      times: ["hello_ms", "dial_ms"],
    },
    {
      name: "a refused one",
      use: send(UNKNOWN),
      event: {
        reason: "unknown_name",
        sni: "b.test",
        ech_offered: false,
        bytes_received: UNKNOWN.length,
        bytes_sent: ALERT_BYTES,
      },
      times: ["hello_ms"],
    },
    {
      name: "one that isn't TLS",
      use: send(HTTP),
      event: { reason: "not_tls", bytes_received: HTTP.length, bytes_sent: 0 },
      times: [],
    },
  ];
}

function checkEvent(event: LogEvent, wanted: LogEvent, times: readonly string[]): void {
  const { time, id, total_ms, ...rest } = event;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
  assert.match(String(id), /^[0-9a-z]+-[0-9a-z]+-[0-9a-z]+$/);
  const ms = times.map((name) => Number(rest[name]));
  for (const value of ms) assert.ok(value >= 0 && value <= Number(total_ms), `${value} of ${total_ms} ms`);
  const others = Object.entries(rest).filter(([name]) => !name.endsWith("_ms"));
  assert.deepEqual(Object.keys(rest).filter((name) => name.endsWith("_ms")).toSorted(), times.toSorted());
  assert.deepEqual(Object.fromEntries(others), { level: "info", event: "connection", ...wanted });
}

Deno.test("every connection is told of once, with all of its fields", async (t) => {
  await using echo = echoBackend();
  await using answer = answerBackend("done");
  const tables = {
    listeners: [
      { routes: [{ hostname: "a.test", backend: echo.addr }] },
      { routes: [{ hostname: "*", backend: answer.addr }] },
    ],
    firewall: {
      rules: [{ type: "ip", value: "127.0.0.2" }, { type: "cidr", value: "127.0.0.2/32", mode: "shadow" }],
    },
  };
  const wanted = rows(echo.addr, answer.addr);
  const events = await serveQuietly(tables, async ({ addrs, program }) => {
    for (const { name, use, event, times } of wanted) {
      await t.step(name, async () => {
        const listener = addrs[event["route"] === "*" ? 1 : 0]!;
        using client = await openClient(listener);
        const { localAddr } = client;
        await use(client);
        const told = await program.connectionEvent({ client: localAddr });
        checkEvent(told, { listener, client: localAddr, ...event }, times);
      });
    }
    await t.step("a blocked one", async () => {
      await exchangeFrom("127.0.0.2", addrs[0]!);
      const told = await program.connectionEvent({ reason: "blocked_ip" });
      const client = String(told["client"]);
      assert.match(client, /^127\.0\.0\.2:\d+$/);
      checkEvent(told, {
        listener: addrs[0],
        client,
        reason: "blocked_ip",
        rule: "ip:127.0.0.2",
        bytes_received: 0,
        bytes_sent: 0,
      }, []);
    });
  });
  assert.equal(events.length, wanted.length + 1);
});

Deno.test("a log in text tells the same in one line each", async () => {
  await using echo = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: echo.addr }] }],
    log: { format: "text" },
  });
  using client = await openClient(proxy.addr);
  const { localAddr } = client;
  await send(SERVED)(client);
  const [line] = await proxy.program.printed(/^.* INFO connection .*$/m);
  const number = String.raw`\d+(\.\d+)?`;
  assert.match(
    line,
    new RegExp(
      `^\\S+Z INFO connection id=\\S+ listener=${proxy.addr} client=${localAddr} reason=client_eof sni=a.test ` +
        `alpn=\\["h2","http/1.1"\\] ech_offered=true route=a.test backend=${echo.addr} ` +
        `bytes_received=${SERVED.length} bytes_sent=${SERVED.length} ` +
        `hello_ms=${number} dial_ms=${number} total_ms=${number}$`,
    ),
  );
});

Deno.test("a name can't forge a line of the log", async () => {
  const alpn = ["a\n", '"}\n{"event":"forged"}', "\u0080\u00ff"];
  await using echo = echoBackend();
  const events = await serveQuietly(
    { listeners: [{ routes: [{ hostname: "a.test", backend: echo.addr }] }] },
    async ({ addr, program }) => {
      await exchange(addr, clientHello({ serverName: "a.test", alpn }), true);
      await program.connectionEvent();
      assert.equal(program.events.find(({ event }) => event === "forged"), undefined);
    },
  );
  assert.deepEqual(events[0]!["alpn"], alpn);
});

/** Events of 6 KiB: 16 protocols of which JSON makes six characters a byte. */
const LARGE = clientHello({
  serverName: `${"n".repeat(60)}.test`,
  alpn: Array.from({ length: 16 }, (_, index) => String.fromCharCode(index + 1).repeat(64)),
});
/** More than the program holds for a reader that doesn't come: 8 MiB, and the pipe. */
const STALLED_CONNECTIONS = 2_000;
const AT_ONCE = 50;

Deno.test("a log that nobody reads holds no connection up, and what it loses is counted", async () => {
  await using echo = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: echo.addr }] }],
  });
  const { addr, program } = proxy;
  const served = clientHello({ serverName: "a.test" });
  {
    using _ = program.holdOutput();
    let left = STALLED_CONNECTIONS;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) assert.equal((await exchange(addr, LARGE, true)).bytes.length, ALERT_BYTES);
    }));
    // The log is full and stays so: this is what a client sees of it.
    assert.deepEqual(await exchange(addr, served, true), { bytes: served, end: "fin" });
  }
  // A stop waits for a slow reader for so long only: let this one have all that waited.
  let later = 0;
  await eventually("a line behind those that waited", async () => {
    later++;
    await exchange(addr, served, true);
    return program.events.some(({ sni }) => sni === "a.test");
  }, 60_000);
  program.signal("SIGTERM");
  const { code, stderr } = await program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const told = program.events.filter(isConnection).length;
  const { event, events_dropped: dropped } = program.events.at(-1)!;
  assert.equal(event, "stopped");
  assert.ok(Number(dropped) > 0, "nothing was dropped");
  assert.equal(told + Number(dropped), STALLED_CONNECTIONS + 1 + later);
  assert.equal(program.events.filter(({ level }) => level !== "info").length, 0);
});

Deno.test("no key is ever printed", async () => {
  const authority = await CertificateAuthority.create();
  const { certificate, key } = await authority.issue({ names: ["admin.test"] });
  const secrets = key.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
  assert.ok(secrets.length > 1);
  await using echo = echoBackend();
  await using folder = await writeConfig({});
  await Deno.writeTextFile(`${folder.folder}/tls.crt`, certificate);
  await Deno.writeTextFile(`${folder.folder}/tls.key`, key);
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: echo.addr }] }],
    grpc: {
      addr: "127.0.0.1:9",
      tls_cert: `${folder.folder}/tls.crt`,
      tls_key: `${folder.folder}/tls.key`,
      insecure: true,
    },
    log: { level: "debug" },
  });
  await exchange(proxy.addr, SERVED, true);
  await proxy.program.connectionEvent();
  const check = await runProgram(["check", "-c", proxy.config.path]);
  proxy.program.signal("SIGTERM");
  const { stdout, stderr } = await proxy.program.completed();
  const database = new TextDecoder("latin1").decode(await Deno.readFile(proxy.config.databasePath));
  const printed = [stdout, stderr, check.stdout, check.stderr, database].join("\n");
  for (const secret of secrets) assert.ok(!printed.includes(secret));
  assert.ok(!printed.includes("PRIVATE KEY"));
});

import assert from "node:assert/strict";
import type { ConnectionEvent } from "../../src/observe/events.ts";
import { Log, type LogFields, type LogOptions } from "../../src/observe/log.ts";

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
const EVENT: ConnectionEvent = {
  time: Date.UTC(2026, 10, 22, 1, 2, 3, 4),
  id: "k-1",
  listener: "0.0.0.0:443",
  client: "192.0.2.1:1",
  reason: "client_eof",
  sni: "a.test",
  alpn: ["h2", "http/1.1"],
  bytes_received: 1,
  bytes_sent: 2,
  total_ms: 3.25,
};

interface Written {
  readonly log: Log;
  readonly lines: string[];
  dropped: number;
}

function logTo(options: Partial<LogOptions> = {}): Written {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line) > 0;
  const onDropped = () => void written.dropped++;
  const log = new Log({ level: "debug", format: "json", write, onDropped, ...options });
  const written: Written = { log, lines, dropped: 0 };
  return written;
}

/** The one line with its time taken out. */
function lineOf(lines: readonly string[]): string {
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, TIME);
  return lines[0]!.replace(TIME, "T");
}

Deno.test("Log writes one JSON object a line, fields in their order", () => {
  const rows: [LogFields, string][] = [
    [{}, '{"time":"T","level":"info","event":"ready"}'],
    [{ b: 1, a: "x" }, '{"time":"T","level":"info","event":"ready","b":1,"a":"x"}'],
    [{ absent: undefined }, '{"time":"T","level":"info","event":"ready"}'],
    [
      { alpn: ["\x9b31m", "\x7f\u202e\u{e0001}"] },
      '{"time":"T","level":"info","event":"ready","alpn":["\\u009b31m","\\u007f\\u202e\\udb40\\udc01"]}',
    ],
    [
      { text: 'line\nfeed " and \u2028', list: [1, { c: null }] },
      '{"time":"T","level":"info","event":"ready","text":"line\\nfeed \\" and \\u2028","list":[1,{"c":null}]}',
    ],
  ];
  for (const [fields, expected] of rows) {
    const { log, lines } = logTo();
    log.info("ready", fields);
    assert.equal(lineOf(lines), expected);
    const { time: _, level: __, event: ___, ...told } = JSON.parse(lines[0]!);
    assert.deepEqual(told, JSON.parse(JSON.stringify(fields)));
  }
});

Deno.test("Log writes text that can be taken apart again: what is ambiguous is quoted", () => {
  const rows: [LogFields, string][] = [
    [{}, "T WARNING ready"],
    [{ b: 1, a: "x/y:z", is: true }, "T WARNING ready b=1 a=x/y:z is=true"],
    [{ a: "" }, 'T WARNING ready a=""'],
    [{ a: "two words" }, 'T WARNING ready a="two words"'],
    [{ a: "x=y" }, 'T WARNING ready a="x=y"'],
    [{ a: 'say "no"' }, 'T WARNING ready a="say \\"no\\""'],
    [{ a: "forged\n2026 ERROR" }, 'T WARNING ready a="forged\\n2026 ERROR"'],
    [{ a: "tab\there\x1b[31m" }, 'T WARNING ready a="tab\\there\\u001b[31m"'],
    [{ a: ["\x9b31m"] }, 'T WARNING ready a=["\\u009b31m"]'],
    [{ a: "ünïcode" }, "T WARNING ready a=ünïcode"],
    [{ a: ["h2"], b: null, c: undefined }, 'T WARNING ready a=["h2"] b=null c=null'],
  ];
  for (const [fields, expected] of rows) {
    const { log, lines } = logTo({ format: "text" });
    log.warning("ready", fields);
    assert.equal(lineOf(lines), expected);
  }
});

Deno.test("Log makes the lines of its level and those above", () => {
  const rows = [
    ["error", ["error"]],
    ["warning", ["error", "warning"]],
    ["info", ["error", "warning", "info", "connection"]],
    ["debug", ["error", "warning", "info", "connection", "debug"]],
  ] as const;
  for (const [level, expected] of rows) {
    const { log, lines } = logTo({ level });
    log.error("error");
    log.warning("warning");
    log.info("info");
    log.connection(EVENT);
    log.debug("debug");
    assert.deepEqual(lines.map((line) => JSON.parse(line).event), expected);
    const levels = lines.map((line) => JSON.parse(line).level);
    assert.deepEqual(levels, expected.map((name) => name === "connection" ? "info" : name));
  }
});

Deno.test("Log.connection() writes the event's own time and every field", () => {
  const { time: _, ...fields } = EVENT;
  const { log, lines } = logTo();
  log.connection(EVENT);
  assert.deepEqual(JSON.parse(lines[0]!), {
    time: "2026-11-22T01:02:03.004Z",
    level: "info",
    event: "connection",
    ...fields,
  });
  const text = logTo({ format: "text" });
  text.log.connection(EVENT);
  assert.equal(
    text.lines[0],
    "2026-11-22T01:02:03.004Z INFO connection id=k-1 listener=0.0.0.0:443 client=192.0.2.1:1 " +
      'reason=client_eof sni=a.test alpn=["h2","http/1.1"] bytes_received=1 bytes_sent=2 total_ms=3.25',
  );
});

Deno.test("Log.request() writes the event's own time, without its type", () => {
  const { log, lines } = logTo();
  const { time } = EVENT;
  const fields = {
    connection: "k-1",
    request: "k-1-1",
    route: "a.test",
    method: "GET",
    authority: "a.test",
    path: "/",
    status: 200,
    bytes_received: 0,
    bytes_sent: 5,
    total_ms: 1,
  };
  log.request({ type: "request", time, ...fields }, "debug");
  const head = { time: "2026-11-22T01:02:03.004Z", level: "debug", event: "request" };
  assert.deepEqual(JSON.parse(lines[0]!), { ...head, ...fields });
});

Deno.test("Log counts each line that its sink doesn't take", () => {
  let room = 2;
  const written = logTo({ write: () => room-- > 0 });
  for (let count = 0; count < 5; count++) written.log.info("line");
  for (let count = 0; count < 4; count++) written.log.connection(EVENT);
  assert.equal(written.dropped, 7);
});

Deno.test("Log writes where the last one made says", () => {
  const first = logTo();
  const second = logTo({ format: "text" });
  second.log.info("line");
  assert.equal(first.lines.length, 0);
  assert.equal(lineOf(second.lines), "T INFO line");
});

/**
 * The codec against HTTP/2 of others, over real sockets: Node's in both roles, curl, nghttp, h2load, and Go's
 * x/net client. Each runs as a process of its own. One that isn't installed is named and passed over, but for
 * Node, which must be there.
 */
import assert from "node:assert/strict";
import { Http2Connection } from "../../../src/http2/connection.ts";
import type { HttpHandler, RequestHead, ResponseHead } from "../../../src/wire/http_handler.ts";
import { ErrorCode, NEVER_INDEXED_NONE } from "../../../src/wire/http_handler.ts";
import { serveCleartext } from "../../h2spec/server.ts";
import { print } from "../../support/print.ts";
import goClient from "./go_client.go.txt" with { type: "text" };

const HERE = import.meta.dirname!;
const GO_MODULE = "module interop\n\ngo 1.22\n\nrequire golang.org/x/net v0.30.0\n";

async function run(program: string, args: string[], cwd?: string): Promise<{ code: number; text: string }> {
  const command = new Deno.Command(program, { args, ...(cwd === undefined ? {} : { cwd }), stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

async function isInstalled(program: string, args: string[]): Promise<boolean> {
  try {
    return (await run(program, args)).code === 0;
  } catch {
    print(`${program} is not installed: passed over`);
    return false;
  }
}

Deno.test("a client on Node's http2 gets right answers from our server", async () => {
  await using server = serveCleartext();
  const { code, text } = await run("node", [`${HERE}/node_client.mjs`, String(server.port)]);
  assert.deepEqual([code, text], [0, "right\n"]);
});

Deno.test("curl gets right answers from our server", async () => {
  if (!await isInstalled("curl", ["--version"])) return;
  await using server = serveCleartext();
  const url = `http://127.0.0.1:${server.port}/x`;
  const plain = await run("curl", ["-sS", "--http2-prior-knowledge", "-w", " %{http_version}", url]);
  assert.deepEqual([plain.code, plain.text], [0, "hello 2"]);
  const file = `${HERE}/node_client.mjs`;
  const posted = await run("curl", [
    "-sS",
    "--http2-prior-knowledge",
    "--data-binary",
    `@${file}`,
    `${url.slice(0, -1)}echo`,
  ]);
  assert.equal(posted.text, await Deno.readTextFile(file));
});

Deno.test("nghttp gets right answers from our server", async () => {
  if (!await isInstalled("nghttp", ["--version"])) return;
  await using server = serveCleartext();
  const { code, text } = await run("nghttp", ["-v", `http://127.0.0.1:${server.port}/x`]);
  assert.equal(code, 0, text);
  assert.match(text, /:status: 200/);
  assert.match(text, /hello/);
  assert.doesNotMatch(text, /RST_STREAM|\[ERROR\]/);
});

Deno.test("h2load finds no failure in our server", async () => {
  if (!await isInstalled("h2load", ["--version"])) return;
  await using server = serveCleartext();
  const args = ["-n", "5000", "-c", "10", "-m", "50", `http://127.0.0.1:${server.port}/x`];
  const { code, text } = await run("h2load", args);
  assert.equal(code, 0, text);
  assert.match(text, /5000 succeeded, 0 failed, 0 errored/);
});

Deno.test("Go's x/net client gets right answers from our server", async () => {
  if (!await isInstalled("go", ["version"])) return;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/main.go`, goClient);
    await Deno.writeTextFile(`${folder}/go.mod`, GO_MODULE);
    const built = await run("sh", ["-c", "go mod tidy && go build -o client ."], folder);
    assert.equal(built.code, 0, built.text);
    await using server = serveCleartext();
    const { code, text } = await run(`${folder}/client`, [String(server.port)]);
    assert.deepEqual([code, text], [0, "right\n"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

interface Answer {
  interim: number[];
  head?: ResponseHead;
  parts: Uint8Array[];
  trailers?: readonly string[];
  reset?: string;
}

/** Our client on a socket: one promise a request. */
class SocketClient implements HttpHandler {
  readonly connection: Http2Connection = new Http2Connection(this, { role: "client" });
  over = false;
  #answers = new Map<number, { answer: Answer; done: (answer: Answer) => void }>();
  #writing: Promise<void> = Promise.resolve();

  constructor(readonly conn: Deno.Conn) {}

  /** Reads until the connection is over. */
  async run(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    while (!this.over) {
      // Not awaited: reading must go on while a write waits, or two peers that both write block each other.
      void this.flush();
      const count = await this.conn.read(buffer);
      if (count === null) this.connection.receiveEnd(0);
      else this.connection.receive(buffer.subarray(0, count), 0);
    }
    await this.flush();
  }

  /** Writes what is there, one write after the other. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      while (this.connection.hasOutput) {
        const output = this.connection.takeOutput();
        for (let at = 0; at < output.length;) at += await this.conn.write(output.subarray(at));
      }
    });
    return this.#writing;
  }

  async ask(head: Partial<RequestHead>, content?: Uint8Array): Promise<Answer> {
    const whole = { method: "POST", scheme: "http", authority: "a.test", path: "/", fields: [], ...head };
    const id = this.connection.request(
      { neverIndexed: NEVER_INDEXED_NONE, ...whole },
      content === undefined,
    )!;
    const answer = new Promise<Answer>((done) => {
      this.#answers.set(id, { answer: { interim: [], parts: [] }, done });
    });
    if (content !== undefined) this.connection.data(id, content, true);
    await this.flush();
    return await answer;
  }

  request(): void {}
  response(id: number, head: ResponseHead, end: boolean): void {
    const { answer } = this.#answers.get(id)!;
    if (head.status < 200) answer.interim.push(head.status);
    else answer.head = head;
    if (end) this.#finish(id);
  }
  data(id: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    this.#answers.get(id)!.answer.parts.push(bytes.slice());
    this.connection.credit(id, flowBytes);
    if (end) this.#finish(id);
  }
  trailers(id: number, fields: readonly string[]): void {
    this.#answers.get(id)!.answer.trailers = fields;
    this.#finish(id);
  }
  reset(id: number, code: number, byPeer: boolean, safeToRetry: boolean): void {
    this.#answers.get(id)!.answer.reset = `${code} ${byPeer} ${safeToRetry}`;
    this.#finish(id);
  }
  #finish(id: number): void {
    const { answer, done } = this.#answers.get(id)!;
    this.#answers.delete(id);
    done(answer);
  }
  taken(): void {}
  goAway(): void {}
  ready(): void {}
  closed(): void {
    this.over = true;
  }
}

Deno.test("our client gets right answers from a server on Node's http2", async () => {
  const command = new Deno.Command("node", {
    args: [`${HERE}/node_server.mjs`],
    stdin: "piped",
    stdout: "piped",
  });
  await using node = command.spawn();
  const reader = node.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number((await reader.read()).value);
  {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const client = new SocketClient(conn);
    const running = client.run();
    const large = Uint8Array.from({ length: 2_000_000 }, (_, index) => (index * 31) >> 3);
    const answers = await Promise.all(
      [large, large, new Uint8Array(0)].map((content) => client.ask({}, content)),
    );
    for (const [index, answer] of answers.entries()) {
      assert.deepEqual([answer.interim, answer.head?.status, answer.trailers], [[103], 200, [
        "x-end",
        "yes",
      ]]);
      const length = answer.parts.reduce((sum, part) => sum + part.length, 0);
      assert.equal(length, index < 2 ? large.length : 0);
      let at = 0;
      for (const part of answer.parts) {
        assert.deepEqual(part, large.subarray(at, at + part.length));
        at += part.length;
      }
    }
    const fields = ["cookie", "a=1", "cookie", "b=2"];
    const crumbs = await client.ask({ fields });
    assert.ok(crumbs.head?.fields.includes("a=1; b=2"));
    const refused = await client.ask({ path: "/reset" });
    assert.equal(refused.reset, `${ErrorCode.REFUSED_STREAM} true true`);
    const many = await Promise.all(Array.from({ length: 90 }, () => client.ask({})));
    assert.ok(many.every((answer) => answer.head?.status === 200));
    client.connection.goAway(0);
    assert.equal(client.over, true);
    await client.flush();
    await conn.closeWrite();
    await running;
  }
  await node.stdin.close();
  await reader.cancel();
  assert.equal((await node.status).code, 0);
});

/**
 * Records the ClientHellos of the TLS clients installed here into `client_hellos.json`, the fixture of the
 * ClientHello tests: `deno run -A tests/wire/record_hellos.ts`. Clients that are missing are left out; the
 * fixture keeps what was recorded before.
 *
 * @module
 */

import { ClientHelloReader } from "../../src/wire/client_hello.ts";
import { print } from "../support/print.ts";

/** One recorded hello. */
interface RecordedHello {
  readonly origin: string;
  readonly version: string;
  readonly serverName: string | null;
  readonly alpnProtocols: readonly string[];
  readonly hex: string;
}

interface Client {
  readonly origin: string;
  readonly version: readonly string[];
  readonly serverName: string | null;
  readonly alpnProtocols: readonly string[];
  /** The command for a port of 127.0.0.1. */
  readonly command: (port: number) => readonly string[];
}

const NAME = "git.example.org";

const NODE = (options: string) => (port: number) => [
  "node",
  "-e",
  `require("tls").connect({host:"127.0.0.1",port:${port},${options}}).on("error",()=>{})`,
];

const DENO = (options: string) => (port: number) => [
  Deno.execPath(),
  "eval",
  `try{await(await Deno.connectTls({hostname:"localhost",port:${port},${options}})).handshake()}catch{}`,
];

const PYTHON = (port: number) => [
  "python3",
  "-c",
  `import socket,ssl
c=ssl.create_default_context()
c.set_alpn_protocols(["http/1.1"])
c.wrap_socket(socket.create_connection(("127.0.0.1",${port})),server_hostname="${NAME}")`,
];

const GO_PROGRAM = `package main
import ("crypto/tls";"os")
func main() { tls.Dial("tcp", os.Args[1], &tls.Config{ServerName: "${NAME}", NextProtos: []string{"h2","http/1.1"}}) }
`;

const OPENSSL = (...options: string[]) => (port: number) => [
  "openssl",
  "s_client",
  "-connect",
  `127.0.0.1:${port}`,
  ...options,
];

const CLIENTS: readonly Client[] = [
  {
    origin: "openssl s_client",
    version: ["openssl", "version"],
    serverName: NAME,
    alpnProtocols: [],
    command: OPENSSL("-servername", NAME),
  },
  {
    origin: "openssl s_client, TLS 1.2, ALPN",
    version: ["openssl", "version"],
    serverName: NAME,
    alpnProtocols: ["h2", "http/1.1"],
    command: OPENSSL("-servername", NAME, "-tls1_2", "-alpn", "h2,http/1.1"),
  },
  {
    origin: "openssl s_client, no SNI",
    version: ["openssl", "version"],
    serverName: null,
    alpnProtocols: [],
    command: OPENSSL("-noservername"),
  },
  {
    origin: "openssl s_client, ACME tls-alpn-01",
    version: ["openssl", "version"],
    serverName: NAME,
    alpnProtocols: ["acme-tls/1"],
    command: OPENSSL("-servername", NAME, "-alpn", "acme-tls/1"),
  },
  {
    origin: "curl",
    version: ["curl", "--version"],
    serverName: NAME,
    alpnProtocols: ["h2", "http/1.1"],
    command: (port) => [
      "curl",
      "-sk",
      "--noproxy",
      "*",
      "--resolve",
      `${NAME}:${port}:127.0.0.1`,
      `https://${NAME}:${port}/`,
    ],
  },
  {
    origin: "node tls",
    version: ["node", "--version"],
    serverName: NAME,
    alpnProtocols: ["h2", "http/1.1"],
    command: NODE(`servername:"${NAME}",ALPNProtocols:["h2","http/1.1"]`),
  },
  {
    origin: "node tls, no SNI",
    version: ["node", "--version"],
    serverName: null,
    alpnProtocols: [],
    command: NODE(""),
  },
  {
    origin: "deno connectTls (rustls)",
    version: [Deno.execPath(), "--version"],
    serverName: "localhost",
    alpnProtocols: ["h2", "http/1.1"],
    command: DENO(`alpnProtocols:["h2","http/1.1"]`),
  },
  {
    origin: "python ssl",
    version: ["python3", "-c", "import ssl,sys;print(sys.version.split()[0],ssl.OPENSSL_VERSION)"],
    serverName: NAME,
    alpnProtocols: ["http/1.1"],
    command: PYTHON,
  },
  {
    origin: "go crypto/tls",
    version: ["go", "version"],
    serverName: NAME,
    alpnProtocols: ["h2", "http/1.1"],
    command: (port) => ["go", "run", goProgram(), `127.0.0.1:${port}`],
  },
];

function goProgram(): string {
  const path = `${Deno.makeTempDirSync({ prefix: "record-hellos-" })}/main.go`;
  Deno.writeTextFileSync(path, GO_PROGRAM);
  return path;
}

async function record(client: Client): Promise<RecordedHello> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [program, ...args] = client.command(listener.addr.port);
  const process = new Deno.Command(program!, { args, stdin: "piped", stdout: "null", stderr: "null" })
    .spawn();
  const ended = process.status.then(() => {
    throw new Error("the client ended without a connection");
  });
  try {
    using connection = await Promise.race([listener.accept(), ended]);
    return {
      origin: client.origin,
      version: await firstLine(client.version),
      serverName: client.serverName,
      alpnProtocols: client.alpnProtocols,
      hex: (await readHello(connection)).toHex(),
    };
  } finally {
    ended.catch(() => {});
    await process.stdin.close();
    await process.status;
  }
}

async function readHello(connection: Deno.Conn): Promise<Uint8Array> {
  const reader = new ClientHelloReader();
  const bytes = new Uint8Array(65_536);
  let length = 0;
  for (;;) {
    const count = await connection.read(bytes.subarray(length));
    if (count === null) throw new Error(`the client closed after ${length} bytes`);
    const outcome = reader.push(bytes.subarray(length, length + count));
    length += count;
    if (outcome.kind === "hello") return bytes.slice(0, length);
    if (outcome.kind === "invalid") throw new Error(`the hello is ${outcome.reason}`);
  }
}

async function firstLine(command: readonly string[]): Promise<string> {
  const { stdout } = await new Deno.Command(command[0]!, { args: command.slice(1) }).output();
  return new TextDecoder().decode(stdout).split("\n")[0]!.trim();
}

async function recordAll(): Promise<void> {
  const file = new URL("client_hellos.json", import.meta.url);
  const before = await Deno.readTextFile(file).catch(() => "[]");
  const hellos = new Map<string, RecordedHello>(
    (JSON.parse(before) as RecordedHello[]).map((hello) => [hello.origin, hello]),
  );
  for (const client of CLIENTS) {
    try {
      const hello = await record(client);
      hellos.set(hello.origin, hello);
      print(`${hello.origin}, ${hello.version}: ${hello.hex.length / 2} bytes`);
    } catch (error) {
      print(`${client.origin}: left out, ${error}`);
    }
  }
  await Deno.writeTextFile(file, JSON.stringify([...hellos.values()], null, 2) + "\n");
}

if (import.meta.main) recordAll();

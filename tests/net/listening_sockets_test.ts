import assert from "node:assert/strict";
import { listeningSockets, parseListening } from "../../src/net/listening_sockets.ts";
import { runCommand } from "../support/command.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { canUnshare } from "./namespaces.ts";

const TABLE =
  `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4713 1 0
   3: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4714 1 0
`;

Deno.test("parseListening() reads what the kernel writes, and leaves connections out", () => {
  assert.deepEqual(parseListening(TABLE), [
    { host: "127.0.0.1", port: 8_080, inode: "4711" },
    { host: "::1", port: 443, inode: "4713" },
    { host: "2001:db8::1", port: 443, inode: "4714" },
  ]);
});

Deno.test("listeningSockets() finds both sockets of a reusePort group, and those of IPv6", () => {
  const at = (host: string, port: number) =>
    listeningSockets()!.filter((socket) => socket.host === host && socket.port === port).length;
  using first = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort: true });
  const { port } = first.addr;
  assert.equal(at("127.0.0.1", port), 1);
  {
    using _second = Deno.listen({ hostname: "127.0.0.1", port, reusePort: true });
    assert.equal(at("127.0.0.1", port), 2);
  }
  assert.equal(at("127.0.0.2", port), 0);
  using everywhere = Deno.listen({ hostname: "::", port: 0 });
  assert.equal(at("::", everywhere.addr.port), 1);
});

Deno.test("listeningSockets() reads past the listening ones no further than it has to", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const conns: Deno.Conn[] = [];
  for (let count = 0; count < 50; count++) {
    const accepted = listener.accept();
    conns.push(await Deno.connect({ hostname: "127.0.0.1", port }), await accepted);
  }
  assert.equal(listeningSockets()!.filter((socket) => socket.port === port).length, 1);
  for (const conn of conns) conn.close();
});

/** As the unit's ProcSubset=pid and ProtectProc=invisible make it. */
const BARE_PROC = "mount -t proc -o subset=pid,hidepid=invisible proc /proc";

Deno.test({
  name: "listeningSockets() finds its own sockets where /proc holds processes alone",
  ignore: !canUnshare(["-m", "sh", "-c", BARE_PROC]),
  fn: async () => {
    const script = `import { listeningSockets } from "${PROJECT_FOLDER}src/net/listening_sockets.ts";
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      Deno.exit(listeningSockets()?.some(({ port }) => port === listener.addr.port) ? 0 : 1);`;
    const evaluate = `${BARE_PROC} && test ! -e /proc/net && exec "$0" eval "$1"`;
    const { code, err } = await runCommand("unshare", ["-m", "sh", "-c", evaluate, Deno.execPath(), script]);
    assert.equal(code, 0, err);
  },
});

import assert from "node:assert/strict";
import { listeningInodes, parseListening } from "../../src/cli/listening_sockets.ts";

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

Deno.test("listeningInodes() finds sockets by their address, both of a reusePort group", async () => {
  const inodesAt = (host: string, port: number) => listeningInodes({ host, port });
  using first = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort: true });
  const { port } = first.addr;
  assert.equal((await inodesAt("127.0.0.1", port)).length, 1);
  {
    using _second = Deno.listen({ hostname: "127.0.0.1", port, reusePort: true });
    assert.equal((await inodesAt("127.0.0.1", port)).length, 2);
  }
  assert.deepEqual(await inodesAt("127.0.0.2", port), []);
  using everywhere = Deno.listen({ hostname: "::", port: 0 });
  assert.equal((await inodesAt("::", everywhere.addr.port)).length, 1);
});

import assert from "node:assert/strict";
import {
  addressesOverlap,
  formatEndpoint,
  parseEndpoint,
  parseListenAddress,
} from "../../src/state/listen_address.ts";

Deno.test("parseListenAddress() gives one spelling of each address and refuses everything else", async (t) => {
  const table: readonly [string, string | undefined][] = [
    [":443", "[::]:443"],
    ["[::]:443", "[::]:443"],
    ["[0:0::0]:443", "[::]:443"],
    ["0.0.0.0:443", "0.0.0.0:443"],
    ["127.0.0.1:65535", "127.0.0.1:65535"],
    ["127.0.0.1:0", undefined],
    ["[2001:DB8::1]:8443", "[2001:db8::1]:8443"],
    ["[::ffff:192.0.2.1]:443", "192.0.2.1:443"],
    ["localhost:443", undefined],
    ["*:443", undefined],
    ["443", undefined],
    ["0.0.0.0", undefined],
    ["0.0.0.0:", undefined],
    ["0.0.0.0:65536", undefined],
    ["0.0.0.0:0443", undefined],
    ["0.0.0.0:+443", undefined],
    ["0.0.0.0:443 ", undefined],
    ["::443", undefined],
    [":::443", undefined],
    ["[::]", undefined],
    ["[]:443", undefined],
    ["[0.0.0.0]:443", undefined],
    ["[::443", undefined],
    ["::]:443", undefined],
    ["[fe80::1%eth0]:443", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of table) {
    await t.step(JSON.stringify(text), () => {
      const address = parseListenAddress(text);
      assert.equal(address && formatEndpoint(address), expected);
      if (address !== undefined) assert.deepEqual(parseListenAddress(formatEndpoint(address)), address);
    });
  }
});

Deno.test("parseEndpoint() takes addresses and names with a port to connect to", async (t) => {
  const table: readonly [string, string | undefined][] = [
    ["127.0.0.1:8443", "127.0.0.1:8443"],
    ["[::1]:8443", "[::1]:8443"],
    ["App.Internal.:8443", "app.internal:8443"],
    ["my_service:80", "my_service:80"],
    ["localhost:1", "localhost:1"],
    ["localhost:65535", "localhost:65535"],
    ["localhost:0", undefined],
    ["localhost", undefined],
    [":8443", undefined],
    ["::1:8443", undefined],
    ["192.0.2.256:80", undefined],
    ["http://app:80", undefined],
    ["app/x:80", undefined],
    ["*.app:80", undefined],
    ["a b:80", undefined],
  ];
  for (const [text, expected] of table) {
    await t.step(JSON.stringify(text), () => {
      const endpoint = parseEndpoint(text);
      assert.equal(endpoint && formatEndpoint(endpoint), expected);
    });
  }
});

Deno.test("addressesOverlap() finds what the kernel would let share a port", async (t) => {
  const table: readonly [string, string, boolean][] = [
    ["127.0.0.1:443", "127.0.0.1:443", true],
    ["127.0.0.1:443", "127.0.0.2:443", false],
    ["127.0.0.1:443", "127.0.0.1:444", false],
    ["0.0.0.0:443", "127.0.0.1:443", true],
    ["0.0.0.0:443", "[::1]:443", false],
    ["0.0.0.0:443", "[::]:443", true],
    ["[::]:443", "127.0.0.1:443", true],
    ["[::]:443", "[::1]:443", true],
    ["[::]:443", "[::1]:444", false],
  ];
  for (const [left, right, expected] of table) {
    await t.step(`${left} ${right}`, () => {
      const [first, second] = [parseListenAddress(left), parseListenAddress(right)];
      assert(first !== undefined && second !== undefined);
      assert.equal(addressesOverlap(first, second), expected);
      assert.equal(addressesOverlap(second, first), expected);
    });
  }
});

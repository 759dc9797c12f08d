/**
 * What the kernel says of a socket's options: getsockopt(2), for tests of who set them.
 *
 * @module
 */

/** Options by name: level and number on Linux. */
const OPTIONS = {
  keepAlive: [1, 9],
  noDelay: [6, 1],
  keepAliveIdleSeconds: [6, 4],
  keepAliveIntervalSeconds: [6, 5],
  keepAliveProbes: [6, 6],
} as const;

/** The value of each option; a flag is 0 or 1. */
export type SocketOptions = Record<keyof typeof OPTIONS, number>;

const LIBC = {
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
} as const;

/** The options of the socket with this descriptor. */
export function socketOptions(fd: number): SocketOptions {
  const libc = Deno.dlopen("libc.so.6", LIBC);
  const read = ([level, option]: readonly [number, number]): number => {
    const value = new Int32Array(1);
    const length = new Uint8Array(Uint32Array.of(4).buffer);
    const status = libc.symbols.getsockopt(fd, level, option, new Uint8Array(value.buffer), length);
    if (status !== 0) throw new Error(`no option ${level}, ${option} of descriptor ${fd}`);
    return value[0]!;
  };
  const values = Object.entries(OPTIONS).map(([name, key]) => [name, read(key)]);
  libc.close();
  return Object.fromEntries(values) as SocketOptions;
}

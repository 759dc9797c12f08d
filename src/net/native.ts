/**
 * The libc functions that the runtime has no API for. The only file with FFI.
 *
 * A worker loads them at its start and revokes the permission afterwards; what was opened goes on working. Every
 * function says its man page, and reports failure where libc can't be loaded: a reset becomes a plain close then.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";

const SYMBOLS = {
  adjtimex: { parameters: ["buffer"], result: "i32" },
  alarm: { parameters: ["u32"], result: "u32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  dup: { parameters: ["i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  signal: { parameters: ["i32", "usize"], result: "usize" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** glibc's name, then musl's for the two architectures that are built. */
const LIBC_NAMES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

let libc: Libc | undefined;
/**
 * Opens libc once per process; needs the permission `ffi`.
 *
 * @param names sonames to try in turn; the default is glibc's and musl's
 * @returns whether the functions are there
 */
export function loadNative(names: readonly string[] = LIBC_NAMES): boolean {
  for (const name of names) {
    if (libc !== undefined) break;
    try {
      libc = Deno.dlopen(name, SYMBOLS).symbols;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
    }
  }
  return libc !== undefined;
}

/** dlopen(3), for the test that a worker can't. @throws NotCapable without the permission `ffi` */
export function openLibrary(name: string): void {
  Deno.dlopen(name, {}).close();
}

const AF_UNSPEC = new Uint8Array(16);
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_INFO = 11;
const TCP_CLOSE = 7;
const POLLIN = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const RLIMIT_NOFILE = 7;
const CLOCK_MONOTONIC = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

/** The number that an accepted TCP connection carries under a symbol described so. */
const FD_DESCRIPTION = "Deno.internal.fd";
let fdSymbol: symbol | undefined;
/** Highest descriptor seen: the kernel hands out the lowest free one, so those not seen lie close by. */
let highestDescriptor = 0;

/**
 * The descriptor of an accepted TCP connection.
 * @returns the number, or `undefined` where this runtime doesn't say it (connections made by `Deno.connect`)
 */
export function descriptorOf(conn: object): number | undefined {
  fdSymbol ??= Object.getOwnPropertySymbols(conn).find((symbol) => symbol.description === FD_DESCRIPTION);
  if (fdSymbol === undefined) return undefined;
  const fd: unknown = Reflect.get(conn, fdSymbol);
  if (typeof fd !== "number" || fd < 0) return undefined;
  highestDescriptor = Math.max(highestDescriptor, fd);
  return fd;
}

/**
 * Makes the kernel send RST at once: connect(2) with AF_UNSPEC dissolves the association. The descriptor stays
 * open and its owner must still close it.
 *
 * @returns whether the RST was sent
 */
export function resetSocket(fd: number): boolean {
  return libc !== undefined && libc.connect(fd, AF_UNSPEC, AF_UNSPEC.length) === 0;
}

/** dup(2). @returns the new descriptor, or `undefined` (out of descriptors, no libc) */
export function duplicateDescriptor(fd: number): number | undefined {
  const copy = libc?.dup(fd) ?? -1;
  return copy >= 0 ? copy : undefined;
}

/** close(2), for descriptors that this file made. */
export function closeDescriptor(fd: number): void {
  libc?.close(fd);
}

/** getsockopt(2) TCP_INFO, tcp(7): whether the kernel has ended a connection, as its peer's RST makes it; absent = no. */
export function isSocketDead(fd: number | undefined): boolean {
  const [info, length] = [new Uint32Array(2), new Uint32Array([8])];
  const status = libc?.getsockopt(fd ?? -1, IPPROTO_TCP, TCP_INFO, bytesOf(info), bytesOf(length));
  return status === 0 && (info[0]! & 0xff) === TCP_CLOSE;
}

/** poll(2): whether there is something to read, or to accept, on a descriptor. */
export function isReadable(fd: number): boolean {
  return libc?.poll(bytesOf(new Uint32Array([fd, POLLIN])), 1n, 0) === 1;
}

/** fcntl(2) F_SETFD FD_CLOEXEC: the descriptor isn't inherited by a child. @returns whether it worked */
export function setCloseOnExec(fd: number): boolean {
  return libc !== undefined && libc.fcntl(fd, F_SETFD, FD_CLOEXEC) === 0;
}

/** memfd_create(2) and ftruncate(2): an inheritable, sparse, zeroed memory file. @throws ProxyError unavailable */
export function createMemoryFile(name: string, sizeBytes: number): number {
  const fd = libc?.memfd_create(new TextEncoder().encode(`${name}\0`), 0) ?? -1;
  if (libc === undefined || fd < 0 || libc.ftruncate(fd, BigInt(sizeBytes)) !== 0) {
    throw new ProxyError("unavailable", `cannot make ${sizeBytes} bytes of shared memory for "${name}"`);
  }
  return fd;
}

/** mmap(2), shared and writable, for the rest of the process's life. @throws ProxyError unavailable */
export function mapMemoryFile(fd: number, sizeBytes: number): ArrayBuffer {
  const pointer = libc?.mmap(null, BigInt(sizeBytes), PROT_READ_WRITE, MAP_SHARED, fd, 0n) ?? null;
  if (pointer === null || Deno.UnsafePointer.value(pointer) === 0xffff_ffff_ffff_ffffn) {
    throw new ProxyError("unavailable", `cannot map ${sizeBytes} bytes of shared memory, descriptor ${fd}`);
  }
  return Deno.UnsafePointerView.getArrayBuffer(pointer, sizeBytes);
}

/** alarm(2): SIGALRM ends this process in `seconds` unless it is called again before; 0 takes it back. */
export function armAlarm(seconds: number): void {
  libc?.alarm(seconds);
}

const SIG_IGN = 1n;

/** signal(2): this process no longer minds a signal, given by its number. Without libc nothing happens. */
export function ignoreSignal(number: number): void {
  libc?.signal(number, SIG_IGN);
}

const timespec = new BigInt64Array(2);

/** clock_gettime(2) CLOCK_MONOTONIC in ms, the same in every process. Without libc the process's own clock. */
export function monotonicMs(): number {
  if (libc === undefined || libc.clock_gettime(CLOCK_MONOTONIC, new Uint8Array(timespec.buffer)) !== 0) {
    return performance.now();
  }
  return Number(timespec[0]) * 1_000 + Number(timespec[1]) / 1e6;
}

/** adjtimex(2), for looking alone. @returns how wrong this host's clock may be, in ms; `undefined` where it can't be told */
export function clockErrorMs(): number | undefined {
  const timex = new BigInt64Array(26);
  if (libc === undefined || libc.adjtimex(new Uint8Array(timex.buffer)) < 0) return undefined;
  return Number(timex[3]) / 1_000;
}

/** getrlimit(2) RLIMIT_NOFILE, soft. @returns descriptors this process may hold; 1,024 where it can't be told */
export function fileLimit(): number {
  const limits = new BigUint64Array(2);
  if (libc === undefined || libc.getrlimit(RLIMIT_NOFILE, new Uint8Array(limits.buffer)) !== 0) return 1_024;
  return Number(limits[0]! > 1_048_576n ? 1_048_576n : limits[0]!);
}

/** Who is at the other end of a Unix socket: getsockopt(2) SO_PEERCRED, unix(7). */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } | undefined {
  const who = new Uint32Array(3);
  const status = libc?.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytesOf(who), bytesOf(new Uint32Array([12])));
  return status === 0 ? { pid: who[0]!, uid: who[1]!, gid: who[2]! } : undefined;
}

/** Keep-alive as every connection has it: first probe after 60 s, then each 15 s, dead after 4. tcp(7) */
const KEEP_ALIVE: readonly (readonly [level: number, option: number, value: number])[] = [
  [SOL_SOCKET, SO_KEEPALIVE, 1],
  [IPPROTO_TCP, TCP_KEEPIDLE, 60],
  [IPPROTO_TCP, TCP_KEEPINTVL, 15],
  [IPPROTO_TCP, TCP_KEEPCNT, 4],
];

/**
 * Turns on no-delay and keep-alive on a listening socket. Accepted connections inherit both (tcp(7)), which
 * spares them their own system calls.
 *
 * @returns false where the listening socket wasn't found: then each connection must ask for them itself
 */
export function setInheritedOptions(port: number): boolean {
  const found = listeningDescriptors(port);
  for (const fd of found) {
    for (const [level, option, value] of [[IPPROTO_TCP, TCP_NODELAY, 1] as const, ...KEEP_ALIVE]) {
      libc?.setsockopt(fd, level, option, bytesOf(new Uint32Array([value])), 4);
    }
  }
  return found.length > 0;
}

/** This process's sockets that listen on a port: getsockopt(2) SO_ACCEPTCONN. */
export function listeningDescriptors(port: number): number[] {
  const isListening = ([fd]: [number, number]): boolean => {
    const is = new Uint32Array(1);
    libc?.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, bytesOf(is), bytesOf(new Uint32Array([4])));
    return is[0] === 1;
  };
  return [...socketPorts()].filter(([, of]) => of === port).filter(isListening).map(([fd]) => fd);
}

/**
 * Finds descriptors by the local and remote port of a connection made by `Deno.connect`, whose descriptor the
 * runtime doesn't tell. One pass over this process's descriptors serves all that are wanted.
 *
 * @param wanted keys made by {@linkcode connectionKey}
 * @returns the descriptors found, by key, or `undefined` without libc. A connection that its peer has reset
 * isn't found
 */
export function findConnections(wanted: Pick<ReadonlySet<string>, "has">): Map<string, number> | undefined {
  if (libc === undefined) return undefined;
  const found = new Map<string, number>();
  const address = new Uint8Array(28);
  for (const [fd, localPort] of socketPorts()) {
    const peer = libc.getpeername(fd, address, bytesOf(new Uint32Array([28])));
    if (peer !== 0) continue;
    const key = connectionKey(localPort, portOf(address), remoteWord(address));
    if (wanted.has(key)) found.set(key, fd);
  }
  return found;
}

/**
 * The key of a connection for {@linkcode findConnections}.
 *
 * @param remoteWord the last 32 bits of the remote address
 */
export function connectionKey(localPort: number, remotePort: number, remoteWord: number): string {
  return `${localPort}-${remotePort}-${remoteWord}`;
}

function remoteWord(address: Uint8Array): number {
  const view = new DataView(address.buffer);
  const family = view.getUint8(0);
  return view.getUint32(family === 2 ? 4 : 20);
}

function portOf(address: Uint8Array): number {
  return address[2]! * 256 + address[3]!;
}

/** How far past the highest descriptor seen a scan goes on. */
const SCAN_BEYOND = 1_024;

/** Local ports, of those wanted, whose connection the kernel has ended; getpeername(2) no longer knows such a one. */
export function findDeadConnections(localPorts: Pick<ReadonlySet<number>, "has">): Set<number> {
  const dead = new Set<number>();
  for (const [fd, port] of socketPorts()) if (localPorts.has(port) && isSocketDead(fd)) dead.add(port);
  return dead;
}

/** Every TCP socket of this process with its local port: getsockname(2) on each descriptor that may be open. */
function* socketPorts(): Generator<[fd: number, localPort: number]> {
  if (libc === undefined) return;
  const address = new Uint8Array(28);
  const length = new Uint32Array(1);
  const lengthBytes = bytesOf(length);
  const limit = Math.min(fileLimit(), highestDescriptor + SCAN_BEYOND);
  for (let fd = 3; fd < limit; fd++) {
    length[0] = 28;
    if (libc.getsockname(fd, address, lengthBytes) !== 0) continue;
    const family = address[0]! + address[1]! * 256;
    if (family === 2 || family === 10) yield [fd, portOf(address)];
  }
}

function bytesOf(words: Uint32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(words.buffer);
}

/**
 * Clients behind a load balancer, as the load balancer sends them: PROXY protocol headers written by hand from its
 * specification (sections 2.1 and 2.2), and connections that begin with one.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { bytes, clientHello, latin1, number, vector } from "../support/client_hello.ts";

/** Where declared clients have connected to. */
export const DESTINATION = { host: { 4: "192.0.2.200", 6: "2001:db8::c8" }, port: 8_443 } as const;

/** Types of TLVs. */
export const TLV = { ALPN: 1, AUTHORITY: 2, CRC32C: 3, NOOP: 4, UNIQUE_ID: 5 } as const;

/** What `versionTwo` writes; what is left out takes its default. */
export interface VersionTwoOptions {
  /** 0x20 LOCAL, 0x21 PROXY. Default 0x21. */
  readonly command?: number;
  /** Default: TCP over the client's family. */
  readonly family?: number;
  /** Where the client connected to. Default {@linkcode DESTINATION}. */
  readonly destination?: string;
  /** Default: that of {@linkcode DESTINATION}. */
  readonly destinationPort?: number;
  /** After the addresses. */
  readonly tlvs?: readonly Uint8Array[];
  /** Adds the CRC32C: right, or wrong in one bit. */
  readonly checksum?: "right" | "wrong";
}

/** A version 1 header. */
export function versionOne(client: string, port = 5_000): Uint8Array {
  const family = ipaddr.parse(client).kind() === "ipv4" ? 4 : 6;
  return latin1(
    `PROXY TCP${family} ${client} ${DESTINATION.host[family]} ${port} ${DESTINATION.port}\r\n`,
  );
}

/** A version 2 header; a client written as `::ffff:a.b.c.d` is sent so, as IPv6. */
export function versionTwo(client: string, port = 5_000, options: VersionTwoOptions = {}): Uint8Array {
  const source = ipaddr.parse(client);
  const family = source.kind() === "ipv4" ? 4 : 6;
  const destination = ipaddr.parse(options.destination ?? DESTINATION.host[family]);
  const content = bytes(
    Uint8Array.from(source.toByteArray()),
    Uint8Array.from(destination.toByteArray()),
    number(port, 2),
    number(options.destinationPort ?? DESTINATION.port, 2),
    ...options.tlvs ?? [],
  );
  return rawVersionTwo(
    options.command ?? 0x21,
    options.family ?? (family === 4 ? 0x11 : 0x21),
    content,
    options,
  );
}

/** A version 2 header with any content. */
export function rawVersionTwo(
  command: number,
  family: number,
  content: Uint8Array,
  { checksum }: Pick<VersionTwoOptions, "checksum"> = {},
): Uint8Array {
  const signature = latin1("\r\n\r\n\0\r\nQUIT\n");
  const whole = checksum === undefined ? content : bytes(content, tlv(TLV.CRC32C, new Uint8Array(4)));
  const header = bytes(signature, Uint8Array.of(command, family), vector(2, whole));
  if (checksum !== undefined) {
    header.set(number(crc32c(header) ^ (checksum === "wrong" ? 1 : 0), 4), header.length - 4);
  }
  return header;
}

/** A Type-Length-Value. */
export function tlv(type: number, value: Uint8Array): Uint8Array {
  return bytes(Uint8Array.of(type), vector(2, value));
}

/** CRC32C bit by bit (RFC 3720 B.4): another way than that of the program. */
function crc32c(data: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}

/** The server name of the route that declared clients ask for. */
export const SERVER_NAME = "a.test";
/** Their hello. */
export const HELLO: Uint8Array = clientHello({ serverName: SERVER_NAME });

/** What became of a client: its hello came back, or the end came before any byte. */
export type Fate = "served" | "reset" | "closed";

/** Connects and sends; the echo of the hello decides. A client that is served stays open until it is disposed of. */
export async function come(
  addr: string,
  header: Uint8Array,
): Promise<{ fate: Fate; socket: Deno.TcpConn | undefined }> {
  const { hostname, port } = new URL(`tcp://${addr}`);
  let socket: Deno.TcpConn | undefined;
  try {
    socket = await Deno.connect({ hostname, port: Number(port) });
    const request = bytes(header, HELLO);
    for (let sent = 0; sent < request.length;) sent += await socket.write(request.subarray(sent));
    const answer = new Uint8Array(HELLO.length);
    for (let got = 0; got < answer.length;) {
      const count = await socket.read(answer.subarray(got));
      if (count === null) {
        if (got > 0) throw new Error(`${got} bytes, then the end`);
        socket.close();
        return { fate: "closed", socket: undefined };
      }
      got += count;
    }
    return { fate: "served", socket };
  } catch (error) {
    socket?.close();
    if (isReset(error)) return { fate: "reset", socket: undefined };
    throw error;
  }
}

/** A RST may be seen by a connect, a write or a read. */
function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected;
}

/** Comes and goes. */
export async function attempt(addr: string, header: Uint8Array): Promise<Fate> {
  const { fate, socket } = await come(addr, header);
  socket?.close();
  return fate;
}

/** Lets every client in `headers` come, `atOnce` at a time; returns their fates in order. */
export async function attemptAll(
  addr: string,
  headers: readonly Uint8Array[],
  atOnce = 16,
): Promise<readonly Fate[]> {
  const fates: Fate[] = new Array(headers.length);
  let next = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let index; (index = next++) < headers.length;) fates[index] = await attempt(addr, headers[index]!);
  }));
  return fates;
}

/** How many fates are `fate`. */
export function count(fates: readonly Fate[], fate: Fate): number {
  return fates.filter((each) => each === fate).length;
}

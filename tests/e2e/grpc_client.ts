/**
 * A gRPC client on `@grpc/grpc-js`, run as a program of its own: `node:http2` under it can end the process that it
 * is in. Makes every kind of call and prints what came of it as one line of JSON.
 *
 * Arguments: `host:port`, server name, file of the CA, server name of a route whose backend is down.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { print } from "../support/print.ts";

/** What a call came to: messages, status code, details. */
type Outcome = readonly [messages: readonly string[], code: number, details?: string];

const LARGE_BYTES = 16_777_216;
const same = (value: Buffer): Buffer => value;

function connect(addr: string, name: string, authority: string): grpc.Client {
  return new grpc.Client(addr, grpc.credentials.createSsl(readFileSync(authority)), {
    "grpc.ssl_target_name_override": name,
    "grpc.default_authority": name,
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
}

function unary(client: grpc.Client, method: string, request: Buffer, timeoutMs = 20_000): Promise<Outcome> {
  return new Promise((resolve) => {
    const deadline = Date.now() + timeoutMs;
    let messages: string[] = [];
    const call = client.makeUnaryRequest(
      `/t.T/${method}`,
      same,
      same,
      request,
      new grpc.Metadata(),
      { deadline },
      (_error, response) => {
        if (response !== undefined) messages = [told(response)];
      },
    );
    call.on("status", ({ code, details }) => queueMicrotask(() => resolve([messages, code, details])));
  });
}

function told(message: Buffer): string {
  if (message.length < 100) return message.toString();
  return createHash("sha256").update(message).digest("hex");
}

/** Reads a call to its status; `onMessage` may write more. */
function read(
  call: grpc.ClientReadableStream<Buffer> | grpc.ClientDuplexStream<Buffer, Buffer>,
  onMessage: (count: number) => void = () => {},
): Promise<Outcome> {
  const messages: string[] = [];
  return new Promise((resolve) => {
    call.on("data", (message: Buffer) => {
      messages.push(told(message));
      onMessage(messages.length);
    });
    call.on("error", () => {});
    call.on("status", ({ code, details }) => queueMicrotask(() => resolve([messages, code, details])));
  });
}

function clientStream(client: grpc.Client): Promise<Outcome> {
  return new Promise((resolve) => {
    let messages: string[] = [];
    const call = client.makeClientStreamRequest(
      "/t.T/Client",
      same,
      same,
      new grpc.Metadata(),
      {},
      (_e, response) => {
        if (response !== undefined) messages = [told(response)];
      },
    );
    call.on("status", ({ code, details }) => queueMicrotask(() => resolve([messages, code, details])));
    for (let count = 0; count < 5; count++) call.write(Buffer.from("part"));
    call.end();
  });
}

function bidi(client: grpc.Client): Promise<Outcome> {
  const call = client.makeBidiStreamRequest("/t.T/Bidi", same, same, new grpc.Metadata());
  call.write(Buffer.from("message 0"));
  // The next one goes only when the one before has come back.
  return read(call, (count) => count < 4 ? void call.write(Buffer.from(`message ${count}`)) : call.end());
}

async function main(addr: string, name: string, authority: string, downName: string): Promise<void> {
  const client = connect(addr, name, authority);
  const serverStream = (method: string) =>
    client.makeServerStreamRequest(`/t.T/${method}`, same, same, Buffer.from("x"), new grpc.Metadata());
  const endless = serverStream("Endless");
  print(JSON.stringify({
    unary: await unary(client, "Unary", Buffer.from("ping")),
    fail: await unary(client, "Fail", Buffer.from("x")),
    server: await read(serverStream("Server")),
    client: await clientStream(client),
    bidi: await bidi(client),
    deadline: await unary(client, "Silent", Buffer.from("x"), 300),
    cancel: await read(endless, () => endless.cancel()),
    large: await unary(client, "Large", Buffer.alloc(LARGE_BYTES, "x")),
    down: await unary(connect(addr, downName, authority), "Unary", Buffer.from("x")),
  }));
  Deno.exit(0);
}

if (import.meta.main) {
  const [addr, name, authority, downName] = Deno.args;
  void main(addr!, name!, authority!, downName!);
}

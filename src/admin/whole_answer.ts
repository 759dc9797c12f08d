/**
 * Answers of a single message, free of what they were made of.
 *
 * @module
 */

import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";

/**
 * The content of an answer. One of a single message is taken at once: what it was made of, which is many times as large,
 * must not stay as long as its client takes to read it.
 */
export async function wholeAnswer(
  { method }: Pick<UniversalHandler, "method">,
  body: UniversalServerResponse["body"],
): Promise<AsyncIterable<Uint8Array>> {
  const parts: Uint8Array[] = [];
  if (method.methodKind !== "unary") return body ?? each(parts);
  for await (const part of body ?? []) parts.push(part);
  return each(parts);
}

async function* each(parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts;
}

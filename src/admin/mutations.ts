/**
 * What all calls that change something have in common: who may make them, and that the same call with the same
 * idempotency key is made once.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { ProxyError } from "../errors.ts";
import type { KeptAnswer } from "../store/kept_answers.ts";
import { CALLER } from "./caller.ts";
import type { ControlPlane } from "./control_plane.ts";
import { toConnectError } from "./errors.ts";

/** The metadata that names a key. */
const KEY_HEADER = "idempotency-key";
const KEY_LENGTH_MAX = 128;

/** A call that changes something. */
export interface Mutation<Output extends DescMessage> {
  /** Who makes it. */
  readonly author: string;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  /** What is kept with the change, for the caller's key; absent = it gave none. */
  readonly keep: ((answer: MessageInitShape<Output>) => KeptAnswer) | undefined;
}

type Implementation<Input extends DescMessage, Output extends DescMessage> = (
  request: MessageShape<Input>,
  context: HandlerContext,
) => Promise<MessageInitShape<Output>>;

/** A method that only looks. What it throws becomes a gRPC error. */
export function look<Input extends DescMessage, Output extends DescMessage>(
  plane: ControlPlane,
  _method: DescMethodUnary<Input, Output>,
  work: (
    request: MessageShape<Input>,
    context: HandlerContext,
  ) => MessageInitShape<Output> | Promise<MessageInitShape<Output>>,
): Implementation<Input, Output> {
  return async (request, context) => {
    try {
      return await work(request, context);
    } catch (error) {
      throw toConnectError(error, plane.store.revision);
    }
  };
}

/**
 * A method that changes something. An answer that is kept already is given again, and `work` isn't done.
 *
 * @param work keeps its answer itself, with what it changes; one that doesn't has it kept afterwards
 */
export function mutation<Input extends DescMessage, Output extends DescMessage>(
  plane: ControlPlane,
  method: DescMethodUnary<Input, Output>,
  work: (request: MessageShape<Input>, call: Mutation<Output>) => Promise<MessageInitShape<Output>>,
): Implementation<Input, Output> {
  return look(plane, method, async (request, context) => {
    const caller = context.values.get(CALLER);
    if (!caller.mayChange) throw new ProxyError("forbidden", `${caller.author} may look and not change`);
    const refusal = plane.refusal();
    if (refusal !== undefined) throw new ProxyError("unavailable", refusal);
    const key = context.requestHeader.get(KEY_HEADER);
    const { author } = caller;
    if (key === null) return await work(request, { author, signal: context.signal, keep: undefined });
    if (key.length === 0 || key.length > KEY_LENGTH_MAX) {
      const text = `idempotency-key: wanted 1 to ${KEY_LENGTH_MAX} characters, got ${key.length}`;
      throw new ProxyError("invalid", text, { field: KEY_HEADER });
    }
    // The same key twice at the same time: the second call, also of another method, waits for the first one's answer.
    return await plane.keyTurns.run(
      `${author}\0${key}`,
      () => once(plane, method, request, { author, key, signal: context.signal, work }),
    );
  });
}

async function once<Input extends DescMessage, Output extends DescMessage>(
  { store }: ControlPlane,
  method: DescMethodUnary<Input, Output>,
  request: MessageShape<Input>,
  { author, key, signal, work }: {
    readonly author: string;
    readonly key: string;
    readonly signal: AbortSignal;
    readonly work: (
      request: MessageShape<Input>,
      call: Mutation<Output>,
    ) => Promise<MessageInitShape<Output>>;
  },
): Promise<MessageInitShape<Output>> {
  const callDigest = await digestOf(method.name, toBinary(method.input, request));
  const found = store.readAnswer(author, key, Date.now());
  if (found !== undefined) {
    if (found.callDigest !== callDigest) {
      throw new ProxyError("invalid", "idempotency-key: another call was made with it", {
        field: KEY_HEADER,
      });
    }
    return fromBinary(method.output, found.answer) as MessageInitShape<Output>;
  }
  const keep = (answer: MessageInitShape<Output>): KeptAnswer => ({
    author,
    key,
    callDigest,
    answer: toBinary(method.output, create(method.output, answer)),
    timeMs: Date.now(),
  });
  const answer = await work(request, { author, signal, keep });
  try {
    store.keepAnswer(keep(answer));
  } catch (error) {
    // A full disk, say: the call was made, and must not be told as failed because its answer can't be kept.
    if (!(error instanceof ProxyError)) throw error;
  }
  return answer;
}

async function digestOf(method: string, request: Uint8Array): Promise<string> {
  const name = new TextEncoder().encode(`${method}\0`);
  const bytes = new Uint8Array(name.length + request.length);
  bytes.set(name);
  bytes.set(request, name.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toBase64();
}

/**
 * What a client says, as an Explain request tells it: a name, or the bytes of a ClientHello.
 *
 * @module
 */

import { quote } from "../state/issue.ts";
import { type ClientHelloFault, ClientHelloReader } from "../wire/client_hello.ts";
import { canonicalServerName } from "../wire/server_name.ts";
import type { ExplainRequest } from "./gen/mc_proxy/v1/explain_pb.ts";
import { invalid } from "./requests.ts";

/** What a hello says. */
export interface SaidHello {
  /** Absent = no name. */
  readonly serverName: string | undefined;
  /** As sent. */
  readonly alpn: readonly string[];
  /** Why it can't be read; absent = it can. */
  readonly fault?: ClientHelloFault;
}

/** Reads it. @throws ProxyError invalid for a name that no hello can carry, and for a hello that is cut off */
export function readHello({ said, alpn }: Pick<ExplainRequest, "said" | "alpn">): SaidHello {
  if (said.case === "hello") return readBytes(said.value);
  if (said.case === undefined || said.value === "") return { serverName: undefined, alpn };
  const serverName = canonicalServerName(said.value);
  if (serverName === undefined) {
    throw invalid("server_name", "a name that a ClientHello can carry", quote(said.value));
  }
  return { serverName, alpn };
}

function readBytes(bytes: Uint8Array): SaidHello {
  const outcome = new ClientHelloReader().push(bytes);
  switch (outcome.kind) {
    case "need_more":
      throw invalid("hello", "a whole ClientHello", `${bytes.length} bytes of one`);
    case "invalid":
      return { serverName: undefined, alpn: [], fault: outcome.reason };
    case "hello":
      return { serverName: outcome.hello.serverName, alpn: outcome.hello.alpnProtocols };
  }
}

/**
 * Changes as answers tell them: as many as every client takes in one message.
 *
 * @module
 */

import { toBinary } from "@bufbuild/protobuf";
import type { Change } from "../state/change.ts";
import type { Configuration } from "../state/model.ts";
import type { Sliced } from "../state/slices.ts";
import { type AddressOf, changeMessage } from "./answers.ts";
import { type ConfigurationChange, ConfigurationChangeSchema } from "./gen/mc_proxy/v1/configuration_pb.ts";

/** Changes that one answer tells. */
export const CHANGES_TOLD_MAX = 10_000;
/** Bytes of them: clients take messages of 4 MiB unless told otherwise, and what they refuse was made all the same. */
export const BYTES_TOLD_MAX: number = 2 * 1024 * 1024;
/** What frames a change in its message. */
const FRAME_BYTES = 5;

/** What one answer tells of changes; each is added once, in slices. */
export class ToldChanges {
  #count = 0;
  #bytes = 0;

  /** Whether nothing more is told. */
  get isFull(): boolean {
    return this.#count >= CHANGES_TOLD_MAX || this.#bytes >= BYTES_TOLD_MAX;
  }

  /** The first ones of `changes` for which there is room. */
  *add(changes: readonly Change[], addressOf: AddressOf): Sliced<ConfigurationChange[]> {
    const told: ConfigurationChange[] = [];
    for (const change of changes) {
      if (this.isFull) break;
      const message = changeMessage(change, addressOf);
      this.#bytes += toBinary(ConfigurationChangeSchema, message).length + FRAME_BYTES;
      // What comes after one that finds no room isn't told either: the first ones are.
      if (this.#bytes > BYTES_TOLD_MAX) break;
      this.#count++;
      told.push(message);
      yield 1;
    }
    return told;
  }
}

/** The first of some changes, beside how many there are. @param configurations that know the listeners' addresses */
export function* tellChanges(
  changes: readonly Change[],
  offset: number,
  ...configurations: readonly Configuration[]
): Sliced<{ changes: ConfigurationChange[]; changeCount: number }> {
  const added = changes.flatMap((change) => change.kind === "listener_put" ? [change.listener] : []);
  const addressOf = addressesOf(...configurations, { listeners: added });
  const told = yield* new ToldChanges().add(offset === 0 ? changes : changes.slice(offset), addressOf);
  return { changes: told, changeCount: changes.length };
}

/** Where listeners are by their ids. */
export function addressesOf(
  ...configurations: readonly {
    readonly listeners: readonly Pick<Configuration["listeners"][number], "id" | "address">[];
  }[]
): AddressOf {
  const byId = new Map(
    configurations.flatMap(({ listeners }) => listeners.map((each) => [each.id, each] as const)),
  );
  return (id) => byId.get(id);
}

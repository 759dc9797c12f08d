/**
 * The one way to change the configuration: edit a draft, let every worker prepare the result, write it with its
 * revision in one transaction, let every worker serve it. One change at a time; a refused one changes nothing.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { inSlices, SLICE_MS } from "../net/in_slices.ts";
import type { Change } from "../state/change.ts";
import { ConfigurationDraft } from "../state/configuration_draft.ts";
import { diffSlices } from "../state/diff.ts";
import { withoutExpired } from "../state/expiry.ts";
import type { Configuration } from "../state/model.ts";
import type { KeptAnswer } from "../store/kept_answers.ts";
import type { PendingConfirm } from "../store/pending_confirm.ts";
import type { RevisionKind } from "../store/revisions.ts";
import type { Store } from "../store/store.ts";
import type { ServedState } from "./served_state.ts";
import type { Turns } from "./turns.ts";

/** What changes are made with. */
export interface ChangesOptions {
  /** Where revisions are kept. */
  readonly store: Store;
  /** Shared with whoever else changes what the workers serve. */
  readonly turns: Turns;
  /** What all workers serve; absent = before the start. */
  readonly served: () => ServedState | undefined;
  /**
   * Brings all workers to a state, `commit` between the preparation of all and the first activation.
   * @throws ProxyError unavailable when one can't
   */
  readonly change: (next: ServedState, commit: () => void) => Promise<void>;
  /** Reads what files a state needs. @throws ProxyError when one of a changed route is of no use */
  readonly readFiles: (next: ServedState, changes: readonly Change[]) => Promise<ServedState>;
  /** Unix ms. */
  readonly now: () => number;
  /** Called when a change stands, inside its turn. */
  readonly onChanged: (kind: RevisionKind, revision: number, author: string) => void;
}

/** One change that is asked for. */
export interface ChangeRequest<Value> {
  /** Who asks; stands in the revision. */
  readonly author: string;
  /** Aborted when the one who asks has gone or waits no longer: then nothing is changed. Absent = it waits. */
  readonly signal?: AbortSignal;
  /** Why. */
  readonly kind: Exclude<RevisionKind, "seed">;
  /** Refused with `conflict` when this isn't the current revision; absent = any. */
  readonly expectedRevision?: number | undefined;
  /** Edits; what it throws refuses the change. */
  readonly edit: (draft: ConfigurationDraft, current: Configuration) => Value | Promise<Value>;
  /** Takes the change back after so long unless it is confirmed; absent = it stays. */
  readonly confirmWithinMs?: number | undefined;
  /** Says what would change and changes nothing. */
  readonly isDryRun?: boolean;
  /** Makes the answer that is kept with the change, before it is made; absent = none is. */
  readonly answer?: ((outcome: ChangeOutcome<Value>) => KeptAnswer | Promise<KeptAnswer>) | undefined;
}

/** A return to an older revision that is asked for. */
export type RollbackRequest = Pick<
  ChangeRequest<void>,
  "author" | "signal" | "expectedRevision" | "kind" | "answer"
>;

/** What came of a change. */
export interface ChangeOutcome<Value> {
  /** What the edit gave back. */
  readonly value: Value;
  /** The new revision; the current one when nothing changed. */
  readonly revision: number;
  /** What has changed; empty = nothing. */
  readonly changes: readonly Change[];
  /** What was served before. */
  readonly before: Configuration;
  /** Unix ms; absent = it stays. */
  readonly confirmDeadlineMs: number | undefined;
}

/** Makes changes. */
export class Changes {
  readonly #options: ChangesOptions;

  /** Changes nothing yet. */
  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  /** The change that waits for a confirmation, if one does. */
  get pending(): PendingConfirm | undefined {
    return this.#options.store.readPending();
  }

  /**
   * Makes a change when those asked for before are over.
   *
   * @throws ProxyError what the edit throws; `conflict`; `precondition` while another change waits for its
   * confirmation; `unavailable` when a worker can't prepare; the signal's reason. Nothing has changed then
   */
  make<Value>(request: ChangeRequest<Value>): Promise<ChangeOutcome<Value>> {
    return this.#options.turns.run(() => this.makeNow(request));
  }

  /** As `make`, for a caller that has the turn. */
  async makeNow<Value>(request: ChangeRequest<Value>): Promise<ChangeOutcome<Value>> {
    const { store, served, change, readFiles, onChanged } = this.#options;
    const state = served();
    if (state === undefined) throw new ProxyError("unavailable", "the proxy is not serving yet");
    const parent = state.revision;
    this.#refuse(request, parent);
    const before = state.configuration;
    const draft = new ConfigurationDraft(before, store.readNextIds());
    const value = await request.edit(draft, before);
    const configuration = draft.configuration();
    const changes = await inSlices(diffSlices(before, configuration), SLICE_MS);
    const unchanged = { value, revision: parent, changes, before, confirmDeadlineMs: undefined };
    if (changes.length === 0 || request.isDryRun === true) return unchanged;

    const revision = parent + 1;
    const next = await readFiles({ ...state, configuration, revision }, changes);
    const pending = this.#pendingOf(request, revision);
    const outcome = {
      value,
      revision,
      changes,
      before,
      confirmDeadlineMs: typeof pending === "object" ? pending.deadlineMs : undefined,
    };
    const answer = await request.answer?.(outcome);
    await change(next, () => {
      request.signal?.throwIfAborted();
      store.commit({
        expectedRevision: parent,
        timeMs: this.#options.now(),
        author: request.author,
        kind: request.kind,
        changes,
        ...(pending !== undefined && { pending }),
        ...(answer !== undefined && { answer }),
      });
    });
    onChanged(request.kind, revision, request.author);
    return outcome;
  }

  #refuse<Value>({ signal, expectedRevision, kind }: ChangeRequest<Value>, current: number): void {
    signal?.throwIfAborted();
    requireRevision(expectedRevision, current);
    const pending = this.pending;
    if (pending === undefined || kind === "revert") return;
    const when = new Date(pending.deadlineMs).toISOString();
    throw new ProxyError(
      "precondition",
      `revision ${pending.revision} waits for its confirmation until ${when}: confirm it, or wait`,
    );
  }

  #pendingOf<Value>(request: ChangeRequest<Value>, revision: number): PendingConfirm | "none" | undefined {
    if (request.kind === "revert") return "none";
    if (request.confirmWithinMs === undefined) return undefined;
    const deadlineMs = this.#options.now() + request.confirmWithinMs;
    return { revision, revertTo: revision - 1, deadlineMs };
  }

  /**
   * Goes back to the content of an older revision, as a new one; rules that have expired since don't come back.
   *
   * @throws ProxyError not_found when that one isn't kept
   */
  rollBack(
    number: number,
    request: RollbackRequest,
  ): Promise<ChangeOutcome<void>> {
    return this.#options.turns.run(() => this.#rollBackNow(number, request));
  }

  async #rollBackNow(
    number: number,
    request: RollbackRequest,
  ): Promise<ChangeOutcome<void>> {
    const target = await inSlices(this.#options.store.configurationSlices(number), SLICE_MS);
    if (target === undefined) throw new ProxyError("not_found", `there is no revision ${number}`);
    const content = withoutExpired(target, this.#options.now());
    const edit = (draft: ConfigurationDraft): void => draft.replace(content);
    return await this.makeNow({ ...request, edit });
  }

  /**
   * Keeps the change that waits.
   *
   * @param revision which one; 0 = whichever
   * @param expectedRevision as in {@linkcode ChangeRequest}, and so is `signal`
   * @returns its revision
   * @throws ProxyError conflict; precondition when none waits, or another one
   */
  confirm(revision: number, expectedRevision?: number, signal?: AbortSignal): Promise<number> {
    return this.#options.turns.run(() => {
      signal?.throwIfAborted();
      requireRevision(expectedRevision, this.#options.store.revision);
      const pending = this.pending;
      if (pending === undefined) throw new ProxyError("precondition", "no change waits for a confirmation");
      if (revision !== 0 && revision !== pending.revision) {
        throw new ProxyError("precondition", `revision ${pending.revision} waits, and not ${revision}`);
      }
      if (pending.deadlineMs <= this.#options.now()) {
        throw new ProxyError("precondition", `revision ${pending.revision} was not confirmed in time`);
      }
      this.#options.store.removePending();
      return pending.revision;
    });
  }

  /** Takes back the change that waits, when its time is over. */
  async revertOverdue(): Promise<void> {
    await this.#options.turns.run(async () => {
      const pending = this.pending;
      if (pending === undefined || pending.deadlineMs > this.#options.now()) return;
      const { changes } = await this.#rollBackNow(pending.revertTo, { author: "system", kind: "revert" });
      // What waited may have been undone by hand: then there is no revision to write it with.
      if (changes.length === 0) this.#options.store.removePending();
    });
  }

  /** Removes rules that have expired, as one change; while another one waits for its confirmation they stay. */
  async removeExpired(): Promise<void> {
    await this.#options.turns.run(async () => {
      const configuration = this.#options.served()?.configuration;
      if (configuration === undefined || this.pending !== undefined) return;
      const rest = withoutExpired(configuration, this.#options.now());
      if (rest === configuration) return;
      const edit = (draft: ConfigurationDraft): void => draft.replace(rest);
      await this.makeNow({ author: "system", kind: "expiry", edit });
    });
  }
}

/**
 * Refuses what was asked for with another revision in mind.
 *
 * @param expected absent = any
 * @throws ProxyError conflict
 */
export function requireRevision(expected: number | undefined, current: number): void {
  if (expected === undefined || expected === current) return;
  const text = `revision ${expected} was expected, and ${current} is the current one`;
  throw new ProxyError("conflict", text, { field: "expected_revision" });
}

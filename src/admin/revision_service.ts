/**
 * The calls that change several things at once, confirm, list, compare and bring back revisions.
 *
 * @module
 */

import type { ServiceImpl } from "@connectrpc/connect";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ChangeOutcome } from "../control/changes.ts";
import { Turns } from "../control/turns.ts";
import { ProxyError } from "../errors.ts";
import { inSlices, SLICE_MS } from "../net/in_slices.ts";
import type { ConfigurationDraft } from "../state/configuration_draft.ts";
import { diffSlices, EMPTY_CONFIGURATION } from "../state/diff.ts";
import type { Configuration } from "../state/model.ts";
import type { Sliced } from "../state/slices.ts";
import type { ControlPlane } from "./control_plane.ts";
import { endExisting, readExisting, removedBy } from "./existing.ts";
import { Existing, type Operation, OperationSchema, ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import type { Revision as RevisionMessage } from "./gen/mc_proxy/v1/configuration_pb.ts";
import { revisionMessage } from "./history.ts";
import { look, mutation } from "./mutations.ts";
import {
  invalid,
  readListenAddress,
  readListener,
  readOptionalListener,
  readRoute,
  readRouteUpdate,
  readRule,
  routeReference,
} from "./requests.ts";
import { addressesOf, tellChanges, ToldChanges } from "./told_changes.ts";

type Methods = Pick<
  ServiceImpl<typeof ProxyAdminService>,
  "apply" | "confirm" | "listRevisions" | "diffRevisions" | "rollback"
>;

const OPERATIONS_MAX = 100_000;
const CONFIRM_MIN_MS = 1_000;
const CONFIRM_MAX_MS = 3_600_000;
const REVISIONS_DEFAULT = 50;
const REVISIONS_MAX = 1_000;

/** The implementation. */
export function revisionService(plane: ControlPlane): Methods {
  const { confirm } = ProxyAdminService.method;
  return {
    apply: applyMethod(plane),
    confirm: mutation(
      plane,
      confirm,
      async ({ revision, expectedRevision }, { signal }) => ({
        revision: await plane.changes.confirm(revision, expectedRevision, signal),
      }),
    ),
    ...historyMethods(plane),
    rollback: rollbackMethod(plane),
  };
}

function applyMethod(plane: ControlPlane): Methods["apply"] {
  return mutation(plane, ProxyAdminService.method.apply, async (request, { author, signal, keep }) => {
    const { operations, dryRun, confirmWithin, expectedRevision } = request;
    const existing = readExisting(request.existing, Existing.DRAIN);
    if (operations.length > OPERATIONS_MAX) throw invalid("operations", `at most ${OPERATIONS_MAX}`);
    const confirmWithinMs = confirmWithin && durationMs(confirmWithin);
    if (
      confirmWithinMs !== undefined &&
      !(confirmWithinMs >= CONFIRM_MIN_MS && confirmWithinMs <= CONFIRM_MAX_MS)
    ) {
      throw invalid("confirm_within", "1 s to 1 h");
    }
    const edit = (draft: ConfigurationDraft) => inSlices(performAll(draft, operations), SLICE_MS);
    const answerOf = async ({ revision, changes, before, confirmDeadlineMs }: ChangeOutcome<void>) => ({
      revision,
      ...await inSlices(tellChanges(changes, 0, before), SLICE_MS),
      ...(confirmDeadlineMs !== undefined && { confirmDeadline: timestampFromMs(confirmDeadlineMs) }),
    });
    const outcome = await plane.changes.make<void>({
      author,
      signal,
      kind: "rpc",
      expectedRevision,
      edit,
      isDryRun: dryRun,
      confirmWithinMs,
      answer: keep && (async (made) => keep(await answerOf(made))),
    });
    const ends = dryRun ? Existing.KEEP : existing;
    const connectionsTouched = await endExisting(plane, ends, removedBy(outcome.changes));
    return { ...await answerOf(outcome), connectionsTouched };
  });
}

function* performAll(draft: ConfigurationDraft, operations: readonly Operation[]): Sliced<void> {
  for (const [index, operation] of operations.entries()) {
    perform(draft, operation, `operations[${index}]`);
    yield 1;
  }
}

/** Does one step; its errors name it, and the field in the step's own message. */
function perform(draft: ConfigurationDraft, { operation }: Operation, field: string): void {
  try {
    performNamed(draft, operation, field);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const place = { field: `${field}${fieldIn(operation.case, error.field ?? "")}`, cause: error };
    throw new ProxyError(error.code, `${field}: ${error.message}`, place);
  }
}

/** A field such as `route.backend` as the step names it: `.add_route.backend`. */
function fieldIn(step: Operation["operation"]["case"], field: string): string {
  if (step === undefined) return "";
  const { name } = OperationSchema.field[step];
  // The listener of a route is named by itself where it can't be told.
  return field === "listener" ? `.${name}.listener` : `.${name}${field.replace(/^\w+/, "")}`;
}

function performNamed(draft: ConfigurationDraft, operation: Operation["operation"], field: string): void {
  switch (operation.case) {
    case "addListener":
      return void draft.addListener(readListener(operation.value));
    case "updateListener":
      return void draft.updateListener(readListener({ ...operation.value, routes: [] }), operation.value.id);
    case "removeListener":
      return void draft.removeListener(readListenAddress(operation.value, "remove_listener"));
    case "addRoute": {
      const listener = readOptionalListener(operation.value.listener, "route.listener");
      return void draft.addRoute(listener, readRoute(operation.value));
    }
    case "updateRoute": {
      const { value } = operation;
      return void draft.updateRoute(
        routeReference(value, "route."),
        (before) => readRouteUpdate(before, value, []),
      );
    }
    case "removeRoute":
      return void draft.removeRoute(routeReference(operation.value, "route."));
    case "addFirewallRule":
      return void draft.addRule(readRule(operation.value));
    case "removeFirewallRule":
      return void draft.removeRule(operation.value);
    case undefined:
      throw invalid(field, "an operation");
  }
}

function historyMethods(plane: ControlPlane): Pick<Methods, "listRevisions" | "diffRevisions"> {
  const { listRevisions, diffRevisions } = ProxyAdminService.method;
  // One at a time: what each of them holds is a good part of the heap.
  const reading = new Turns();
  return {
    listRevisions: look(plane, listRevisions, async ({ limit, before, withChanges }, { signal }) => {
      if (limit > REVISIONS_MAX) throw invalid("limit", `at most ${REVISIONS_MAX}`);
      const current = plane.store.revision;
      const newest = before === 0 ? current : Math.min(current, before - 1);
      const oldest = Math.max(1, newest - (limit || REVISIONS_DEFAULT) + 1);
      const asked = { newest, oldest, withChanges, signal };
      const revisions = await reading.run(() => inSlices(revisionSlices(plane, asked), SLICE_MS));
      return { revisions, current };
    }),
    diffRevisions: look(plane, diffRevisions, async (request, { signal }) => {
      const to = request.to || plane.store.revision;
      const from = request.from || to - 1;
      const asked = { from, to, offset: request.offset, signal };
      return { from, to, ...await reading.run(() => inSlices(diffOf(plane, asked), SLICE_MS)) };
    }),
  };
}

interface AskedRevisions {
  readonly newest: number;
  readonly oldest: number;
  readonly withChanges: boolean;
  readonly signal: AbortSignal;
}

function* revisionSlices(
  { store, served }: ControlPlane,
  { newest, oldest, withChanges, signal }: AskedRevisions,
): Sliced<RevisionMessage[]> {
  const told = new ToldChanges();
  const addressOf = addressesOf(served().configuration);
  const revisions: RevisionMessage[] = [];
  for (let number = newest; number >= oldest; number--) {
    signal.throwIfAborted();
    const head = store.readRevisionHead(number);
    if (head === undefined) break;
    const changes = withChanges && !told.isFull ? store.readRevision(number)?.changes ?? [] : [];
    revisions.push(revisionMessage(head, yield* told.add(changes, addressOf)));
    yield 1;
  }
  return revisions;
}

interface AskedDiff {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  readonly signal: AbortSignal;
}

function* diffOf(plane: ControlPlane, { from, to, offset, signal }: AskedDiff) {
  signal.throwIfAborted();
  const after = yield* contentOf(plane, to);
  signal.throwIfAborted();
  // Before the seed there was nothing.
  const before = from === 0 ? EMPTY_CONFIGURATION : yield* contentOf(plane, from);
  signal.throwIfAborted();
  return yield* tellChanges(yield* diffSlices(before, after), offset, before, after);
}

function* contentOf({ store }: ControlPlane, number: number): Sliced<Configuration> {
  const content = yield* store.configurationSlices(number);
  if (content === undefined) throw new ProxyError("not_found", `there is no revision ${number}`);
  return content;
}

function rollbackMethod(plane: ControlPlane): Methods["rollback"] {
  return mutation(plane, ProxyAdminService.method.rollback, async (request, { author, signal, keep }) => {
    const { revision: target, expectedRevision } = request;
    const existing = readExisting(request.existing, Existing.DRAIN);
    if (target === 0) throw invalid("revision", "the number of a revision");
    const answerOf = async ({ revision, changes, before }: ChangeOutcome<void>) => ({
      revision,
      ...await inSlices(tellChanges(changes, 0, before), SLICE_MS),
    });
    const outcome = await plane.changes.rollBack(target, {
      author,
      signal,
      kind: "rollback",
      expectedRevision,
      answer: keep && (async (made) => keep(await answerOf(made))),
    });
    const connectionsTouched = await endExisting(plane, existing, removedBy(outcome.changes));
    return { ...await answerOf(outcome), connectionsTouched };
  });
}

/**
 * The calls that change several things at once, confirm, list, compare and bring back revisions.
 *
 * @module
 */

import type { ServiceImpl } from "@connectrpc/connect";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ChangeOutcome } from "../control/changes.ts";
import { ProxyError } from "../errors.ts";
import type { Change } from "../state/change.ts";
import type { ConfigurationDraft } from "../state/configuration_draft.ts";
import { diffConfiguration, EMPTY_CONFIGURATION } from "../state/diff.ts";
import type { Configuration } from "../state/model.ts";
import { type AddressOf, changeMessage } from "./answers.ts";
import type { ControlPlane } from "./control_plane.ts";
import { endExisting, readExisting, removedBy } from "./existing.ts";
import { Existing, type Operation, OperationSchema, ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import type { ConfigurationChange } from "./gen/mc_proxy/v1/configuration_pb.ts";
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

type Methods = Pick<
  ServiceImpl<typeof ProxyAdminService>,
  "apply" | "confirm" | "listRevisions" | "diffRevisions" | "rollback"
>;

const OPERATIONS_MAX = 100_000;
const CONFIRM_MIN_MS = 1_000;
const CONFIRM_MAX_MS = 3_600_000;
const REVISIONS_DEFAULT = 50;
const REVISIONS_MAX = 1_000;
/** Changes in one list of revisions: 20 revisions of 70,000 were more than the heap holds. */
const CHANGES_TOLD_MAX = 100_000;

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
    const edit = (draft: ConfigurationDraft): void => {
      for (const [index, operation] of operations.entries()) {
        perform(draft, operation, `operations[${index}]`);
      }
    };
    const answerOf = ({ revision, changes, before, confirmDeadlineMs }: ChangeOutcome<void>) => ({
      revision,
      changes: changeMessages(changes, before, plane.served().configuration),
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
      answer: keep && ((made) => keep(answerOf(made))),
    });
    const ends = dryRun ? Existing.KEEP : existing;
    const connectionsTouched = await endExisting(plane, ends, removedBy(outcome.changes));
    return { ...answerOf(outcome), connectionsTouched };
  });
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
  return {
    listRevisions: look(plane, listRevisions, ({ limit, before, withChanges }) => {
      if (limit > REVISIONS_MAX) throw invalid("limit", `at most ${REVISIONS_MAX}`);
      const { store } = plane;
      const current = store.revision;
      const addressOf = withChanges ? addressesOf(plane.served().configuration) : undefined;
      const newest = before === 0 ? current : Math.min(current, before - 1);
      const revisions = [];
      let told = 0;
      for (let number = newest; number > 0 && revisions.length < (limit || REVISIONS_DEFAULT); number--) {
        const revision = store.readRevision(number);
        if (revision === undefined) break;
        told += revision.changes.length;
        revisions.push(revisionMessage(revision, told <= CHANGES_TOLD_MAX ? addressOf : undefined));
      }
      return { revisions, current };
    }),
    diffRevisions: look(plane, diffRevisions, (request) => {
      const to = request.to || plane.store.revision;
      const from = request.from || to - 1;
      const after = contentOf(plane, to);
      // Before the seed there was nothing.
      const before = from === 0 ? EMPTY_CONFIGURATION : contentOf(plane, from);
      return { from, to, changes: changeMessages(diffConfiguration(before, after), before, after) };
    }),
  };
}

function contentOf(plane: ControlPlane, number: number): Configuration {
  const content = plane.store.readConfigurationAt(number);
  if (content === undefined) throw new ProxyError("not_found", `there is no revision ${number}`);
  return content;
}

function rollbackMethod(plane: ControlPlane): Methods["rollback"] {
  return mutation(plane, ProxyAdminService.method.rollback, async (request, { author, signal, keep }) => {
    const { revision: target, expectedRevision } = request;
    const existing = readExisting(request.existing, Existing.DRAIN);
    if (target === 0) throw invalid("revision", "the number of a revision");
    const answerOf = ({ revision, changes, before }: ChangeOutcome<void>) => ({
      revision,
      changes: changeMessages(changes, before, plane.served().configuration),
    });
    const outcome = await plane.changes.rollBack(target, {
      author,
      signal,
      kind: "rollback",
      expectedRevision,
      answer: keep && ((made) => keep(answerOf(made))),
    });
    const connectionsTouched = await endExisting(plane, existing, removedBy(outcome.changes));
    return { ...answerOf(outcome), connectionsTouched };
  });
}

function changeMessages(
  changes: readonly Change[],
  ...configurations: readonly Configuration[]
): ConfigurationChange[] {
  const added = changes.flatMap((change) => change.kind === "listener_put" ? [change.listener] : []);
  const addressOf = addressesOf(...configurations, { listeners: added });
  return changes.map((change) => changeMessage(change, addressOf));
}

function addressesOf(
  ...configurations: readonly {
    readonly listeners: readonly Pick<Configuration["listeners"][number], "id" | "address">[];
  }[]
): AddressOf {
  const byId = new Map(
    configurations.flatMap(({ listeners }) => listeners.map((each) => [each.id, each] as const)),
  );
  return (id) => byId.get(id);
}

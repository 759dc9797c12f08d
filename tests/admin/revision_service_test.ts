import assert from "node:assert/strict";
import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";

import { createContextValues } from "@connectrpc/connect";
import { ANYONE, CALLER } from "../../src/admin/caller.ts";
import type { ControlPlane } from "../../src/admin/control_plane.ts";
import {
  ApplyRequestSchema,
  DiffRevisionsRequestSchema,
  DiffRevisionsResponseSchema,
  ListRevisionsRequestSchema,
  RollbackRequestSchema,
} from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import type { Revision as RevisionMessage } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { revisionService } from "../../src/admin/revision_service.ts";
import { BYTES_TOLD_MAX, CHANGES_TOLD_MAX } from "../../src/admin/told_changes.ts";
import type { Change } from "../../src/state/change.ts";
import type { FirewallRule } from "../../src/state/model.ts";

const CHANGES = 4_000;
const CONTEXT = { signal: new AbortController().signal } as Parameters<
  ReturnType<typeof revisionService>["listRevisions"]
>[1];

function rule(id: number, comment = ""): FirewallRule {
  return { id, type: "ip", value: "192.0.2.1", action: "block", mode: "enforce", comment };
}

Deno.test("ListRevisions tells the first 10,000 changes of the newest revisions, and reads no others", async () => {
  const changes = new Array<Change>(CHANGES).fill({ kind: "rule_put", rule: rule(1) });
  const head = { parent: 0, timeMs: 0, author: "local", kind: "rpc" } as const;
  const read: number[] = [];
  const plane = {
    store: {
      revision: 4,
      readRevisionHead: (number: number) => ({ ...head, number, changeCount: CHANGES }),
      readRevision: (number: number) => (read.push(number), { ...head, number, changes }),
    },
    served: () => ({ configuration: { listeners: [], firewallRules: [] } }),
  };
  const { listRevisions } = revisionService(plane as unknown as ControlPlane);
  const request = create(ListRevisionsRequestSchema, { withChanges: true });
  const { revisions } = await listRevisions(request, CONTEXT);
  const told = (revisions as RevisionMessage[]).map((each) => [each.changeCount, each.changes.length]);
  const rest = CHANGES_TOLD_MAX - 2 * CHANGES;
  assert.deepEqual(told, [[CHANGES, CHANGES], [CHANGES, CHANGES], [CHANGES, rest], [CHANGES, 0]]);
  assert.deepEqual(read, [4, 3, 2]);
});

Deno.test("DiffRevisions tells in pages what no client would take at once", async (t) => {
  const rows: [name: string, count: number, comment: string][] = [
    ["many", 2 * CHANGES_TOLD_MAX + 1, ""],
    ["long", 3_000, "x".repeat(1_000)],
  ];
  for (const [name, count, comment] of rows) {
    await t.step(name, async () => {
      const rules = Array.from({ length: count }, (_, index) => rule(index + 1, comment));
      const plane = {
        store: {
          revision: 2,
          *configurationSlices(number: number) {
            yield 1;
            return { listeners: [], firewallRules: number === 2 ? rules : [] };
          },
        },
      };
      const { diffRevisions } = revisionService(plane as unknown as ControlPlane);
      const ids: number[] = [];
      while (ids.length < count) {
        const request = create(DiffRevisionsRequestSchema, { from: 1, to: 2, offset: ids.length });
        const answer = create(DiffRevisionsResponseSchema, await diffRevisions(request, CONTEXT));
        assert.equal(answer.changeCount, count);
        assert.ok(sizeOf(DiffRevisionsResponseSchema, answer) <= BYTES_TOLD_MAX + 100);
        for (const { after } of answer.changes) {
          assert.ok(after?.item.case === "firewallRule");
          ids.push(after.item.value.id);
        }
      }
      assert.deepEqual(ids, rules.map(({ id }) => id));
    });
  }
});

Deno.test("Apply answers with the first 10,000 changes, and says how many there are", async () => {
  const count = CHANGES_TOLD_MAX + 1;
  const changes = Array.from({ length: count }, (_, index) => ({ kind: "rule_put", rule: rule(index + 1) }));
  const outcome = { revision: 2, changes, before: { listeners: [], firewallRules: [] } };
  const plane = {
    store: { revision: 1 },
    refusal: () => undefined,
    settings: { limits: { shutdownTimeoutMs: 0 } },
    changes: { make: () => Promise.resolve(outcome), rollBack: () => Promise.resolve(outcome) },
  };
  const { apply, rollback } = revisionService(plane as unknown as ControlPlane);
  const context = { ...CONTEXT, values: createContextValues(), requestHeader: new Headers() };
  context.values.set(CALLER, ANYONE);
  const answers = [
    await apply(create(ApplyRequestSchema, {}), context as unknown as typeof CONTEXT),
    await rollback(create(RollbackRequestSchema, { revision: 1 }), context as unknown as typeof CONTEXT),
  ];
  for (const answer of answers) {
    assert.deepEqual([answer.changes?.length, answer.changeCount], [CHANGES_TOLD_MAX, count]);
  }
});

function sizeOf<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): number {
  return toBinary(schema, message).length;
}

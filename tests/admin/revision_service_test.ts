import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";

import type { ControlPlane } from "../../src/admin/control_plane.ts";
import { ListRevisionsRequestSchema } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import type { Revision as RevisionMessage } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { revisionService } from "../../src/admin/revision_service.ts";
import type { Change } from "../../src/state/change.ts";

const CHANGES = 40_000;

Deno.test("ListRevisions tells the changes of the newest revisions, and no more than 100,000", async () => {
  const rule = {
    id: 1,
    type: "ip",
    value: "192.0.2.1",
    action: "block",
    mode: "enforce",
    comment: "",
  } as const;
  const changes = new Array<Change>(CHANGES).fill({ kind: "rule_put", rule });
  const revision = { parent: 0, timeMs: 0, author: "local", kind: "rpc", changes } as const;
  const plane = {
    store: { revision: 4, readRevision: (number: number) => ({ ...revision, number }) },
    served: () => ({ configuration: { listeners: [], firewallRules: [] } }),
  };
  const { listRevisions } = revisionService(plane as unknown as ControlPlane);
  const request = create(ListRevisionsRequestSchema, { withChanges: true });
  const { revisions } = await listRevisions(request, {} as Parameters<typeof listRevisions>[1]);
  const told = (revisions as RevisionMessage[]).map((each) => [each.changeCount, each.changes.length]);
  assert.deepEqual(told, [[CHANGES, CHANGES], [CHANGES, CHANGES], [CHANGES, 0], [CHANGES, 0]]);
});

import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { createContextValues, type HandlerContext } from "@connectrpc/connect";

import { ANYONE, CALLER } from "../../src/admin/caller.ts";
import type { ControlPlane } from "../../src/admin/control_plane.ts";
import { ConfirmRequestSchema, ProxyAdminService } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { mutation } from "../../src/admin/mutations.ts";
import { NamedTurns } from "../../src/control/turns.ts";
import { ProxyError } from "../../src/errors.ts";

Deno.test("mutation() answers what was made when the answer can't be kept", async () => {
  const plane = {
    store: {
      revision: 7,
      readAnswer: () => undefined,
      keepAnswer() {
        throw new ProxyError("database", "the disk is full");
      },
    },
    refusal: () => undefined,
    keyTurns: new NamedTurns(),
  };
  const confirm = mutation(
    plane as unknown as ControlPlane,
    ProxyAdminService.method.confirm,
    () => Promise.resolve({ revision: 7 }),
  );
  const values = createContextValues().set(CALLER, ANYONE);
  const requestHeader = new Headers({ "idempotency-key": "k" });
  const context = { values, requestHeader, signal: new AbortController().signal } as HandlerContext;
  assert.deepEqual(await confirm(create(ConfirmRequestSchema), context), { revision: 7 });
});

import assert from "node:assert/strict";
import { Code, ConnectError, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { create } from "@bufbuild/protobuf";
import { CALLER, type Caller } from "../../src/admin/caller.ts";
import type { ControlPlane } from "../../src/admin/control_plane.ts";
import { HandoverRequestSchema, HandoverStep } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { handoverService } from "../../src/admin/handover_service.ts";
import type { Successor } from "../../src/control/handover.ts";

const LOCAL: Caller = {
  author: "uid:0",
  mayChange: true,
  validUntilMs: Infinity,
  process: { pid: 4_711, uid: Deno.uid()! },
};

/** Calls the method. @returns what it said, and how it ended */
async function call(
  caller: Caller,
  said: readonly { readonly database?: string; readonly isServing?: boolean }[],
): Promise<
  { readonly steps: string[]; readonly code: Code | undefined; readonly released: Successor | undefined }
> {
  let released: Successor | undefined;
  const steps: string[] = [];
  const plane = {
    watchdogMs: 1_500,
    store: { revision: 1 },
    handover: {
      release: (successor: Successor) => Promise.resolve(void (released = successor)),
      commit: () => Promise.resolve(void steps.push("committed")),
    },
  } as unknown as ControlPlane;
  const context = {
    values: createContextValues().set(CALLER, caller),
    signal: new AbortController().signal,
  } as unknown as HandlerContext;
  const requests = async function* () {
    for (const each of said) yield create(HandoverRequestSchema, each);
  };
  try {
    for await (const { step, watchdog } of handoverService(plane).handover(requests(), context)) {
      steps.push(`${HandoverStep[step!]}${watchdog === undefined ? "" : ` ${watchdog.nanos! / 1e6}`}`);
    }
    return { steps, code: undefined, released };
  } catch (error) {
    assert.ok(error instanceof ConnectError);
    return { steps, code: error.code, released };
  }
}

const FIRST = { database: "/a.db" };
const SECOND = { isServing: true };

Deno.test("handoverService() releases at the first message and commits at the second", async () => {
  const { steps, code, released } = await call(LOCAL, [FIRST, SECOND]);
  assert.deepEqual([steps, code], [["RELEASED 500", "committed", "DRAINING"], undefined]);
  assert.deepEqual([released?.pid, released?.databasePath], [4_711, "/a.db"]);
});

Deno.test("handoverService() hands over to nobody from elsewhere, and calls off what doesn't end well", async (t) => {
  const check = async (name: string, caller: Caller, said: Parameters<typeof call>[1], expected: Code) => {
    await t.step(name, async () => {
      const { steps, code, released } = await call(caller, said);
      assert.equal(code, expected);
      assert.ok(!steps.includes("committed"));
      // Whoever was let in has what he was given taken back.
      if (released !== undefined) assert.ok(released.gone.aborted);
    });
  };
  const { process: _, ...remote } = LOCAL;
  await check("over TCP", remote, [FIRST, SECOND], Code.PermissionDenied);
  const other = { ...LOCAL, process: { pid: 1, uid: Deno.uid()! + 1 } };
  await check("of another user", other, [FIRST, SECOND], Code.PermissionDenied);
  await check("who says nothing", LOCAL, [], Code.InvalidArgument);
  await check("who names no database", LOCAL, [{}], Code.InvalidArgument);
  await check("who goes after the release", LOCAL, [FIRST], Code.InvalidArgument);
  await check("who doesn't serve", LOCAL, [FIRST, FIRST], Code.InvalidArgument);
});

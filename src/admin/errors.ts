/**
 * What went wrong, as gRPC says it.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, ProxyError } from "../errors.ts";
import { ErrorDetailSchema } from "./gen/mc_proxy/v1/admin_pb.ts";

const CODES: Readonly<Record<ErrorCode, Code>> = {
  config: Code.InvalidArgument,
  invalid: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  conflict: Code.Aborted,
  precondition: Code.FailedPrecondition,
  forbidden: Code.PermissionDenied,
  busy: Code.Unavailable,
  database: Code.Unavailable,
  unavailable: Code.Unavailable,
  internal: Code.Internal,
};

/**
 * The error that a caller gets. A defect's text stays here: it may tell of what nobody outside should know.
 *
 * @param currentRevision goes with it
 */
export function toConnectError(error: unknown, currentRevision: number): ConnectError {
  if (error instanceof ConnectError) return error;
  if (!(error instanceof ProxyError) || error.code === "internal") {
    return new ConnectError("a defect of the program; its log says more", Code.Internal);
  }
  const detail = {
    desc: ErrorDetailSchema,
    value: create(ErrorDetailSchema, { field: error.field ?? "", currentRevision }),
  };
  return new ConnectError(error.message, CODES[error.code], undefined, [detail], error);
}

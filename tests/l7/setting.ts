/**
 * Layer 7 with a client in memory before it and a backend behind it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type BackendOptions, CodecBackend } from "./codec_backend.ts";
import { Coupling, type CouplingOptions } from "./coupling.ts";

/** A backend and the coupling that leads there, in the version that the backend speaks. */
export class Setting implements AsyncDisposable {
  readonly far: CodecBackend;
  readonly near: Coupling;

  /** Both are open from now on. */
  constructor(backend: BackendOptions, coupling: Omit<CouplingOptions, "port"> = {}) {
    this.far = new CodecBackend(backend);
    const backendProtocol = backend.version === "h2" ? "h2c" : backend.version;
    this.near = new Coupling({ port: this.far.port, ...coupling, l7: { backendProtocol, ...coupling.l7 } });
  }

  /** Ends both; nothing that the coupling met may have been a defect. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.far[Symbol.asyncDispose]();
    await this.near[Symbol.asyncDispose]();
    assert.deepEqual(this.near.defects, []);
  }
}

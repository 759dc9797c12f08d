/**
 * The program as a child of the demo: its log passed on, its readiness awaited, ended with the demo.
 *
 * @module
 */

import { print, printError } from "../support/print.ts";
import { programCommand, PROJECT_FOLDER } from "../support/program_command.ts";
import { LineReader } from "../support/line_reader.ts";

/** A started proxy. */
export interface DemoProxy {
  /** Resolves with true when every listener is served, with false when the program ended before. */
  readonly ready: Promise<boolean>;
  /** The exit code, when it has ended. */
  readonly ended: Promise<number>;
  /** Asks it to drain and end; calls after the first do nothing, for a second signal would cut connections. */
  stop(): void;
}

/** Starts `server -c configPath` with the program's own flags. */
export function startDemoProxy(configPath: string): DemoProxy {
  const { path, args } = programCommand();
  const child = new Deno.Command(path, {
    args: [...args, "server", "-c", configPath],
    cwd: PROJECT_FOLDER,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { promise: ready, resolve } = Promise.withResolvers<boolean>();
  const outputs = [
    new LineReader(child.stdout, (line) => {
      print(line);
      if (/\bready\b/.test(line)) resolve(true);
    }),
    new LineReader(child.stderr, printError),
  ];
  const ended = Promise.all([child.status, ...outputs.map(({ done }) => done)]).then(([{ code }]) => {
    resolve(false);
    return code;
  });
  let stopped = false;
  const stop = () => {
    if (!stopped) child.kill("SIGTERM");
    stopped = true;
  };
  child.status.then(() => stopped = true);
  return { ready, ended, stop };
}

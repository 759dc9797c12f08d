/** A process that uses a store until it is killed: `child.ts hold|seed|commit PATH`. */

import { ProxyError } from "../../src/errors.ts";
import { diffConfiguration } from "../../src/state/diff.ts";
import { Store } from "../../src/store/store.ts";
import { CONFIGURATION, rules, TIME_MS } from "./fixtures.ts";

const [work, path = ""] = Deno.args;

/** Opens the database and says how that went; holds it until killed. */
function hold(): void {
  try {
    const store = Store.open(path);
    print(`open ${store.isNew}`);
    setInterval(() => store.isNew, 60_000);
  } catch (error) {
    print(error instanceof ProxyError ? `${error.code} ${error.message}` : `crash ${error}`);
  }
}

/** Seeds one database after the other in a folder, each with 200 rules more than the fixture. */
function seed(): void {
  const configuration = { ...CONFIGURATION, firewallRules: rules(1, 200) };
  for (let number = 0;; number++) {
    using store = Store.open(`${path}/${number}.db`);
    store.seed(configuration, TIME_MS);
    print(String(number));
  }
}

/** Commits one revision after the other: revision `n` has `n` rules. */
function commit(): void {
  const store = Store.open(path);
  for (let revision = store.revision;; revision++) {
    const before = store.readConfiguration();
    const after = { ...before, firewallRules: rules(1, revision + 1) };
    const changes = diffConfiguration(before, after);
    store.commit({ expectedRevision: revision, author: "local", kind: "rpc", changes, timeMs: TIME_MS });
    print(String(revision + 1));
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (work === "hold") hold();
else if (work === "seed") seed();
else commit();

/** A process that uses a store until it is killed: `child.ts hold|seed|commit|contend PATH`. */

import { ProxyError } from "../../src/errors.ts";
import { diffConfiguration } from "../../src/state/diff.ts";
import { DatabaseLock } from "../../src/store/lock.ts";
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

/** Takes and gives up the lock 1,000 times, and says how often somebody else was inside at the same time. */
function contend(): void {
  let violations = 0;
  for (let taken = 0; taken < 1_000;) {
    try {
      using _lock = DatabaseLock.take(path);
      taken++;
      try {
        Deno.mkdirSync(`${path}.inside`);
        Deno.removeSync(`${path}.inside`);
      } catch {
        violations++;
      }
    } catch (error) {
      if (!(error instanceof ProxyError) || error.code !== "busy") throw error;
    }
  }
  print(String(violations));
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (work === "hold") hold();
else if (work === "seed") seed();
else if (work === "contend") contend();
else commit();

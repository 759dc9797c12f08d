/**
 * The commands that ask a running server: each makes its calls and says what to print.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import type { AdminClient } from "../admin/client.ts";
import { ProxyAdminService } from "../admin/gen/mc_proxy/v1/admin_pb.ts";
import { resolvePath } from "../config/file_path.ts";
import { loadConfig } from "../config/load.ts";
import { ProxyError } from "../errors.ts";
import { printableDeep, printableLines } from "../wire/printable.ts";
import { allRules } from "./all_rules.ts";
import { applyOperations } from "./admin_apply.ts";
import { withServer } from "./admin_connection.ts";
import {
  changeOptions,
  filterOf,
  hasFilter,
  optionalDuration,
  optionalNumber,
  ruleOf,
  textOf,
  wholeNumber,
} from "./admin_options.ts";
import * as text from "./admin_text.ts";
import type { CommandOf } from "./args.ts";
import type { Output } from "./output.ts";
import { renderJson, renderSnapshot } from "./render.ts";
import { newRoute, updateRoute } from "./admin_route.ts";

/** A command line's words and options. */
export type Asked = CommandOf<"admin">;
type Api = AdminClient["api"];

/** What a command prints, and its exit code when that isn't 0. */
interface Answer {
  readonly json: JsonValue;
  readonly text: string;
  readonly exit?: number;
}

const { method } = ProxyAdminService;

/** In ms: commands that may take longer than others, 0 = as long as they take. */
const CALL_TIMEOUTS_MS: Readonly<Record<string, number>> = {
  "connections watch": 0,
  snapshot: 0,
  apply: 300_000,
  "revisions rollback": 300_000,
};

/** Runs a command. @returns the exit code @throws Unreachable, ProxyError */
export async function runAdmin(asked: Asked, output: Output): Promise<number> {
  const callTimeoutMs = CALL_TIMEOUTS_MS[asked.name];
  return await withServer(
    { ...asked, ...(callTimeoutMs !== undefined && { callTimeoutMs }) },
    async (api) => {
      if (asked.name === "connections watch") return await watch(api, asked, output);
      const command = COMMANDS[asked.name];
      if (command === undefined) throw new ProxyError("internal", `there is no command "${asked.name}"`);
      const { json, text, exit = 0 } = await command(api, asked);
      await output.out(asked.json ? renderJson(json) : printableLines(text));
      return exit;
    },
  );
}

/** Strangers have a part in what a server tells, and what is rendered here may go to a terminal. */
function answer<Desc extends DescMessage>(
  desc: Desc,
  message: MessageShape<Desc>,
  render: (message: MessageShape<Desc>) => string,
): Answer {
  return {
    json: toJson(desc, message, { useProtoFieldName: true, alwaysEmitImplicit: true }),
    text: render(printableDeep(message)),
  };
}

const COMMANDS: Readonly<Record<string, (api: Api, asked: Asked) => Promise<Answer>>> = {
  "status": async (api) => {
    const { status } = await api.getStatus({});
    if (status === undefined) throw new ProxyError("internal", "the server told no status");
    const desc = method.getStatus.output;
    const told = answer(desc, create(desc, { status }), (each) => text.status(each.status!));
    return { ...told, exit: status.isHealthy ? 0 : 1 };
  },
  "routes list": async (api, { options }) => {
    const listed = await api.listRoutes({ listener: textOf(options["listener"]) });
    return answer(method.listRoutes.output, listed, text.routes);
  },
  "routes add": async (api, { words: [hostname = "", backend = ""], options }) => {
    const route = newRoute(hostname, backend, options);
    const added = await api.addRoute({ route, ...changeOptions(options) });
    return answer(method.addRoute.output, added, text.changed);
  },
  "routes update": async (api, { words: [hostname = ""], options }) =>
    answer(method.updateRoute.output, await updateRoute(api, hostname, options), text.changed),
  "routes remove": async (api, { words: [hostname = ""], options }) => {
    const which = { hostname, listener: textOf(options["listener"]) };
    const removed = await api.removeRoute({ ...which, ...changeOptions(options) });
    return answer(method.removeRoute.output, removed, text.removed);
  },
  "firewall list": async (api) => answer(method.getFirewallRules.output, await allRules(api), text.rules),
  "firewall add": async (api, { words: [type = "", value = ""], options }) => {
    const ttl = optionalDuration(options["ttl"], "--ttl");
    const rule = ruleOf(type, value, options);
    const added = await api.addFirewallRule({ rule, ...changeOptions(options), ...(ttl && { ttl }) });
    return answer(method.addFirewallRule.output, added, text.ruleAdded);
  },
  "firewall remove": async (api, { words: [id = ""], options }) => {
    const removed = await api.removeFirewallRule({ id: wholeNumber(id, "id"), ...changeOptions(options) });
    return answer(method.removeFirewallRule.output, removed, text.removed);
  },
  "listeners list": async (api) =>
    answer(method.listListeners.output, await api.listListeners({}), text.listeners),
  "listeners add": async (api, { words: [addr = ""], options }) => {
    const trustedProxies = (options["trustedProxy"] ?? []) as string[];
    const listener = {
      addr,
      maxConnections: optionalNumber(options["maxConnections"], "--max-connections"),
      proxyProtocol: trustedProxies.length > 0,
      trustedProxies,
    };
    const added = await api.addListener({ listener, ...changeOptions(options) });
    return answer(method.addListener.output, added, text.changed);
  },
  "listeners remove": async (api, { words: [addr = ""], options }) => {
    const removed = await api.removeListener({ addr, ...changeOptions(options) });
    return answer(method.removeListener.output, removed, text.removed);
  },
  "connections list": async (api, { options }) => {
    const limit = optionalNumber(options["limit"], "--limit");
    const listed = await api.listConnections({ filter: filterOf(options), limit });
    return answer(method.listConnections.output, listed, text.connections);
  },
  "connections close": async (api, { options }) => {
    const all = options["all"] === true;
    if (!all && !hasFilter(options)) {
      throw new ProxyError("config", "which connections: name a filter such as --client ADDRESS, or --all");
    }
    const closed = await api.closeConnections({ filter: filterOf(options), all });
    return answer(method.closeConnections.output, closed, (each) => `${each.closed} closed\n`);
  },
  "explain": async (api, { words: [client = "", serverName = ""], options }) => {
    const explained = await api.explain({
      client,
      said: { case: "serverName", value: serverName },
      listener: textOf(options["listener"]),
      alpn: (options["alpn"] ?? []) as string[],
    });
    return answer(method.explain.output, explained, text.explanation);
  },
  "revisions list": async (api, { options }) => {
    const limit = optionalNumber(options["limit"], "--limit");
    const listed = await api.listRevisions({ limit, withChanges: true });
    return answer(method.listRevisions.output, listed, text.revisions);
  },
  "revisions diff": async (api, { words }) => {
    const [from, to] = [optionalNumber(words[0], "from"), optionalNumber(words[1], "to")];
    const told = await api.diffRevisions({ from, to });
    while (told.changes.length < told.changeCount) {
      const rest = { from: told.from, to: told.to, offset: told.changes.length };
      const { changes } = await api.diffRevisions(rest);
      if (changes.length === 0) break;
      for (const change of changes) told.changes.push(change);
    }
    return answer(method.diffRevisions.output, told, text.difference);
  },
  "revisions rollback": async (api, { words: [revision = ""], options }) => {
    const request = { revision: wholeNumber(revision, "revision"), ...changeOptions(options) };
    return answer(method.rollback.output, await api.rollback(request), text.rolledBack);
  },
  "apply": async (api, { options, configPath }) => {
    const file = options["file"] ?? configPath;
    if (file === undefined) throw new ProxyError("config", "which file is to be applied: name it by -f FILE");
    const { seed } = await loadConfig(String(file));
    const isDryRun = options["dryRun"] === true;
    const confirmWithin = optionalDuration(options["confirmWithin"], "--confirm-within");
    const plan = await applyOperations(api, seed, options["prune"] === true, Date.now());
    const request: MessageInitShape<typeof method.apply.input> = {
      ...changeOptions(options),
      ...plan,
      dryRun: isDryRun,
      ...(confirmWithin && { confirmWithin }),
    };
    const render = isDryRun ? text.tried : text.applied;
    return answer(method.apply.output, await api.apply(request), render);
  },
  "confirm": async (api, { words: [revision] }) => {
    const kept = await api.confirm({ revision: optionalNumber(revision, "revision") });
    return answer(method.confirm.output, kept, (each) => `revision ${each.revision} stays\n`);
  },
  "reload": async (api) => {
    const reloaded = await api.reload({});
    const hasFailed = reloaded.results.some(({ problem }) => problem !== "");
    return { ...answer(method.reload.output, reloaded, text.reloads), ...(hasFailed && { exit: 1 }) };
  },
  "snapshot": async (api, { options }) => {
    const out = options["out"] as string | undefined;
    const path = out === undefined ? "" : resolvePath(Deno.cwd(), out);
    const made = await api.createSnapshot({ path });
    const json = {
      path: made.path,
      size_bytes: Number(made.sizeBytes),
      revision: made.revision,
      removed: [],
    };
    return { json, text: renderSnapshot(json) };
  },
  // Their line feeds are the format's, so they are made safe as a whole and not name by name.
  "export": async (api) => {
    const { toml, revision } = await api.exportConfig({});
    return { json: { toml, revision }, text: toml };
  },
  "metrics": async (api) => {
    const metrics = await api.getMetrics({});
    return { json: { text: metrics.text }, text: metrics.text };
  },
};

async function watch(api: Api, { options, json }: Asked, output: Output): Promise<number> {
  const desc = method.watchConnections.output;
  for await (const told of api.watchConnections({ filter: filterOf(options) })) {
    const line = json
      ? renderJson(toJson(desc, told, { useProtoFieldName: true }))
      : text.event(printableDeep(told));
    await output.out(line);
    if (output.isClosed()) break;
  }
  return 0;
}

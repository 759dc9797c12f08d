/**
 * The commands that ask a running server: each makes its calls and says what to print.
 *
 * @module
 */

import { create, type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type AdminClient, connectAdmin } from "../admin/client.ts";
import { ProxyAdminService } from "../admin/gen/mc_proxy/v1/admin_pb.ts";
import { resolvePath } from "../config/file_path.ts";
import { loadConfig } from "../config/load.ts";
import { ProxyError } from "../errors.ts";
import { applyOperations } from "./admin_apply.ts";
import {
  addRule,
  existingOf,
  filterOf,
  optionalDuration,
  optionalNumber,
  routeOptions,
  updateRoute,
  wholeNumber,
} from "./admin_options.ts";
import * as text from "./admin_text.ts";
import type { CommandOf } from "./args.ts";
import type { Output } from "./output.ts";
import { renderJson, renderSnapshot } from "./render.ts";

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
/** Nobody answers. */
const EXIT_UNREACHABLE = 3;

/** Lets the running server make a snapshot. @returns the exit code */
export function snapshotOnline(asked: CommandOf<"snapshot">, output: Output): Promise<number> {
  const { configPath, outPath, json } = asked;
  const words = outPath === undefined ? [] : [resolvePath(Deno.cwd(), outPath)];
  return runAdmin({ command: "admin", name: "snapshot", configPath, words, options: {}, json }, output);
}

/** Runs a command. @returns the exit code */
export async function runAdmin(asked: Asked, output: Output): Promise<number> {
  const { settings } = await loadConfig(asked.configPath);
  const option = (name: string): string | undefined => asked.options[name] as string | undefined;
  const addr = option("addr") ?? settings.grpc?.addr;
  if (addr === undefined) {
    throw new ProxyError("config", `"${asked.configPath}" has no [grpc] section: add one, or name --addr`);
  }
  try {
    await using client = await connectAdmin({
      addr,
      tlsCert: settings.grpc?.tlsCert ?? option("serverCa") ?? "",
      clientCert: option("clientCert") ?? settings.grpc?.clientCert ?? "",
      clientKey: option("clientKey") ?? settings.grpc?.clientKey ?? "",
      serverCa: option("serverCa") ?? settings.grpc?.serverCa ?? "",
    });
    if (asked.name === "connections watch") return await watch(client.api, asked, output);
    const answer = await ask(client.api, asked);
    await output.out(asked.json ? renderJson(answer.json) : answer.text);
    return answer.exit ?? 0;
  } catch (error) {
    if (asked.name === "status" && isUnreachable(error)) {
      await output.err(`mc-proxy: ${error.message}; is the server running?\n`);
      return EXIT_UNREACHABLE;
    }
    if (error instanceof ConnectError) {
      throw new ProxyError("unavailable", error.rawMessage, { cause: error });
    }
    throw error;
  }
}

function isUnreachable(error: unknown): error is Error {
  return error instanceof ProxyError
    ? error.code === "unavailable"
    : error instanceof ConnectError && error.code === Code.Unavailable;
}

function answer<Desc extends DescMessage>(
  desc: Desc,
  message: MessageShape<Desc>,
  render: (message: MessageShape<Desc>) => string,
): Answer {
  return {
    json: toJson(desc, message, { useProtoFieldName: true, alwaysEmitImplicit: true }),
    text: render(message),
  };
}

async function ask(api: Api, { name, words, options, configPath }: Asked): Promise<Answer> {
  const [first = "", second = ""] = words;
  const text1 = (key: string): string => String(options[key] ?? "");
  const existing = existingOf(options["existing"]);
  switch (name) {
    case "status": {
      const { status } = await api.getStatus({});
      if (status === undefined) throw new ProxyError("internal", "the server told no status");
      const told = answer(
        method.getStatus.output,
        create(method.getStatus.output, { status }),
        () => text.status(status),
      );
      return { ...told, exit: status.isHealthy ? 0 : 1 };
    }
    case "routes list":
      return answer(
        method.listRoutes.output,
        await api.listRoutes({ listener: text1("listener") }),
        text.routes,
      );
    case "routes add": {
      const route = {
        ...routeOptions(options),
        hostname: first,
        backend: second,
        enabled: options["disabled"] !== true,
      };
      return answer(method.addRoute.output, await api.addRoute({ route }), text.changed);
    }
    case "routes update":
      return answer(method.updateRoute.output, await updateRoute(api, first, options), text.changed);
    case "routes remove": {
      const request = { hostname: first, listener: text1("listener"), existing };
      return answer(method.removeRoute.output, await api.removeRoute(request), text.removed);
    }
    case "firewall list":
      return answer(method.getFirewallRules.output, await api.getFirewallRules({}), text.rules);
    case "firewall add":
      return answer(method.addFirewallRule.output, await addRule(api, first, second, options), text.changed);
    case "firewall remove": {
      const request = { id: wholeNumber(first, "id"), existing };
      return answer(method.removeFirewallRule.output, await api.removeFirewallRule(request), text.removed);
    }
    case "listeners list":
      return answer(method.listListeners.output, await api.listListeners({}), text.listeners);
    case "listeners add": {
      const listener = {
        addr: first,
        maxConnections: optionalNumber(options["maxConnections"], "--max-connections"),
      };
      return answer(method.addListener.output, await api.addListener({ listener }), text.changed);
    }
    case "listeners remove":
      return answer(
        method.removeListener.output,
        await api.removeListener({ addr: first, existing }),
        text.removed,
      );
    default:
      return await askMore(api, { name, words, options, configPath });
  }
}

async function askMore(
  api: Api,
  { name, words, options, configPath }: Omit<Asked, "command" | "json">,
): Promise<Answer> {
  const [first = "", second = ""] = words;
  const existing = existingOf(options["existing"]);
  switch (name) {
    case "connections list": {
      const limit = optionalNumber(options["limit"], "--limit");
      const listed = await api.listConnections({ filter: filterOf(options), limit });
      return answer(method.listConnections.output, listed, text.connections);
    }
    case "connections close": {
      const closed = await api.closeConnections({ filter: filterOf(options), all: options["all"] === true });
      return answer(method.closeConnections.output, closed, (each) => `${each.closed} closed\n`);
    }
    case "explain": {
      const explained = await api.explain({
        client: first,
        said: { case: "serverName", value: second },
        listener: String(options["listener"] ?? ""),
        alpn: (options["alpn"] ?? []) as string[],
      });
      return answer(method.explain.output, explained, text.explanation);
    }
    case "revisions list": {
      const limit = optionalNumber(options["limit"], "--limit");
      return answer(
        method.listRevisions.output,
        await api.listRevisions({ limit, withChanges: true }),
        text.revisions,
      );
    }
    case "revisions diff": {
      const [from, to] = [optionalNumber(words[0], "from"), optionalNumber(words[1], "to")];
      return answer(method.diffRevisions.output, await api.diffRevisions({ from, to }), text.difference);
    }
    case "revisions rollback": {
      const request = { revision: wholeNumber(first, "revision"), existing };
      return answer(method.rollback.output, await api.rollback(request), text.difference);
    }
    case "apply": {
      const { seed } = await loadConfig(String(options["file"] ?? configPath));
      const plan = await applyOperations(api, seed, options["prune"] === true);
      const confirmWithin = optionalDuration(options["confirmWithin"], "--confirm-within");
      const applied = await api.apply({
        ...plan,
        existing,
        dryRun: options["dryRun"] === true,
        ...(confirmWithin !== undefined && { confirmWithin }),
      });
      return answer(method.apply.output, applied, text.applied);
    }
    default:
      return await askServer(api, name, words);
  }
}

/** Commands about the server itself. */
async function askServer(api: Api, name: string, words: readonly string[]): Promise<Answer> {
  switch (name) {
    case "confirm": {
      const revision = optionalNumber(words[0], "revision");
      const kept = await api.confirm({ revision });
      return answer(method.confirm.output, kept, (each) => `revision ${each.revision} stays\n`);
    }
    case "reload": {
      const reloaded = await api.reload({});
      const hasFailed = reloaded.results.some(({ problem }) => problem !== "");
      return { ...answer(method.reload.output, reloaded, text.reloads), ...(hasFailed && { exit: 1 }) };
    }
    case "snapshot": {
      const made = await api.createSnapshot({ path: words[0] ?? "" });
      const report = {
        path: made.path,
        size_bytes: Number(made.sizeBytes),
        revision: made.revision,
        removed: [],
      };
      return answer(method.createSnapshot.output, made, () => renderSnapshot(report));
    }
    case "export":
      return answer(method.exportConfig.output, await api.exportConfig({}), (each) => each.toml);
    case "metrics":
      return answer(method.getMetrics.output, await api.getMetrics({}), (each) => each.text);
    default:
      throw new ProxyError("internal", `there is no command "${name}"`);
  }
}

async function watch(api: Api, { options, json }: Asked, output: Output): Promise<number> {
  const desc = method.watchConnections.output;
  for await (const told of api.watchConnections({ filter: filterOf(options) })) {
    await output.out(json ? renderJson(toJson(desc, told, { useProtoFieldName: true })) : text.event(told));
  }
  return 0;
}

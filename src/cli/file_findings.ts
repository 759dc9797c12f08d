/**
 * The files that a configuration names, looked at as the server would at its start, and backends that lead back to
 * the server itself.
 *
 * @module
 */

import { CertificateFiles, servedRoutes } from "../control/certificate_files.ts";
import { NO_CERTIFICATES } from "../control/certificate_set.ts";
import { EXPIRY_WARNING_DAYS } from "../control/expiry_warnings.ts";
import { readCountryDatabase } from "../control/geoip_file.ts";
import {
  daysUntilExpiry,
  parseAuthorities,
  parseCertificatePair,
  type Validity,
} from "../net/certificates.ts";
import { messageOf } from "../errors.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Configuration, Endpoint, Route } from "../state/model.ts";
import type { GrpcSettings, Settings } from "../state/settings.ts";
import { error, type Finding, ok, warning } from "./finding.ts";

const DAY_MS = 86_400_000;
/** Country databases are made anew at least once a month. */
const GEOIP_DAYS_MAX = 45;

/** Looks at every file and every backend's address. @param nowMs Unix ms */
export async function fileFindings(
  settings: Settings,
  configuration: Configuration,
  nowMs: number,
): Promise<Finding[]> {
  return [
    ...await geoipFindings(settings.geoipDb, configuration, nowMs),
    ...await routeFindings(configuration, nowMs),
    ...settings.grpc === undefined ? [] : await grpcFindings(settings.grpc, nowMs),
    ...loopFindings(configuration),
  ];
}

async function geoipFindings(
  path: string,
  { firewallRules }: Configuration,
  nowMs: number,
): Promise<Finding[]> {
  if (path === "") {
    const hasCountries = firewallRules.some(({ type }) => type === "country");
    if (!hasCountries) return [];
    return [
      error(
        "geoip",
        "there are country rules and no database, so the server won't start: set [firewall] geoip_db",
      ),
    ];
  }
  try {
    const { builtAtMs } = await readCountryDatabase(path);
    const days = Math.floor((nowMs - builtAtMs) / DAY_MS);
    const detail = `"${path}" was built ${days} days ago`;
    return [
      days > GEOIP_DAYS_MAX
        ? warning("geoip", `${detail}: get a newer one, then mc-proxy reload`)
        : ok("geoip", detail),
    ];
  } catch (cause) {
    return [error("geoip", `${messageOf(cause)}, and the server won't start without it`)];
  }
}

async function routeFindings(configuration: Configuration, nowMs: number): Promise<Finding[]> {
  const { set, faults } = await new CertificateFiles().read(configuration, NO_CERTIFICATES, nowMs);
  return servedRoutes(configuration).flatMap(({ route, listener }) => {
    const what = `certificate ${listener} ${route.hostname}`;
    const broken = faults.filter(({ routeId }) => routeId === route.id);
    const validity = set.routes.get(route.id)?.shown?.validity;
    return [
      ...broken.map(({ detail }) => error(what, detail)),
      ...validity === undefined ? [] : [dateFinding(what, route.l7.tlsCert, validity, nowMs)],
    ];
  });
}

async function grpcFindings(grpc: GrpcSettings, nowMs: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  const look = async (what: string, paths: readonly string[], judge: (texts: string[]) => Finding) => {
    if (paths[0] === "") return;
    try {
      findings.push(judge(await Promise.all(paths.map((path) => Deno.readTextFile(path)))));
    } catch (cause) {
      findings.push(error(what, `${paths.map((path) => `"${path}"`).join(" with ")}: ${reasonOf(cause)}`));
    }
  };
  const pair = (what: string, certificate: string, key: string) =>
    look(what, [certificate, key], ([chain = "", keyText = ""]) => {
      const { validity } = parseCertificatePair(chain, keyText);
      return dateFinding(what, certificate, validity, nowMs);
    });
  const authorities = (what: string, path: string) =>
    look(what, [path], ([text = ""]) => ok(what, `"${path}" holds ${parseAuthorities(text).length}`));
  await pair("[grpc] tls_cert", grpc.tlsCert, grpc.tlsKey);
  await authorities("[grpc] client_ca", grpc.clientCa);
  await pair("[grpc] client_cert", grpc.clientCert, grpc.clientKey);
  await authorities("[grpc] server_ca", grpc.serverCa);
  return findings;
}

function dateFinding(what: string, path: string, validity: Validity, nowMs: number): Finding {
  const { notBeforeMs, notAfterMs } = validity;
  const until = `"${path}" is valid until ${new Date(notAfterMs).toISOString()}`;
  if (nowMs > notAfterMs) {
    return error(what, `"${path}" has expired at ${new Date(notAfterMs).toISOString()}`);
  }
  if (nowMs < notBeforeMs) {
    return error(
      what,
      `"${path}" is valid from ${new Date(notBeforeMs).toISOString()} on only: is the clock right?`,
    );
  }
  const days = daysUntilExpiry(validity, nowMs);
  return days < EXPIRY_WARNING_DAYS ? warning(what, `${until}, ${days} days more`) : ok(what, until);
}

/** Backends that are a listener of this configuration: such a connection is refused with the reason `loop`. */
function loopFindings({ listeners }: Configuration): Finding[] {
  const own = listeners.map(({ address }) => address);
  const here = new Set(Deno.networkInterfaces().map(({ address }) => address));
  return listeners.flatMap(({ address, routes }) =>
    routes.filter(({ enabled, backend }) => enabled && leadsHere(backend, own, here)).map((route) =>
      error(
        `route ${formatEndpoint(address)} ${route.hostname}`,
        `its backend ${
          formatEndpoint(route.backend)
        } is a listener of mc-proxy itself: every connection would be refused (loop)`,
      )
    )
  );
}

function leadsHere(backend: Route["backend"], own: readonly Endpoint[], here: ReadonlySet<string>): boolean {
  const host = backend.host === "localhost" || backend.host === "0.0.0.0" ? "127.0.0.1" : backend.host;
  const isLocal = host.startsWith("127.") || host === "::" || here.has(host);
  return own.some(({ host: listening, port }) => {
    if (port !== backend.port) return false;
    const takes = listening === "::" || (listening === "0.0.0.0" && !host.includes(":"));
    return listening === host || (takes && isLocal);
  });
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.PermissionDenied) return "this user may not read it";
  return messageOf(cause);
}

/**
 * `[grpc]`: who may reach the admin API, and over what.
 *
 * @module
 */

import { parseListenAddress, UNIX_PREFIX } from "../state/listen_address.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { GRPC } from "./schema.ts";
import { type Reading, readTable } from "./table.ts";

/**
 * Reads `[grpc]`.
 *
 * @param reading gets the mistakes
 * @param raw as the TOML parser gave it; undefined = the file has no such section
 * @returns undefined when the file has no such section, or when its address is a mistake
 */
export function readGrpc(reading: Reading, raw: unknown): GrpcSettings | undefined {
  if (raw === undefined) return undefined;
  const values = readTable(reading, GRPC, raw, "grpc");
  if (values.addr === undefined) return undefined;
  const settings: GrpcSettings = {
    addr: values.addr,
    tlsCert: values.tls_cert,
    tlsKey: values.tls_key,
    clientCa: values.client_ca,
    allowedClients: values.allowed_clients,
    readOnlyClients: values.read_only_clients,
    insecure: values.insecure,
    reflection: values.reflection,
    clientCert: values.client_cert,
    clientKey: values.client_key,
    serverCa: values.server_ca,
  };
  for (const [key, wanted, got] of faultsOf(settings)) {
    reading.issues.push({ path: `grpc.${key}`, wanted, got: got ?? "nothing" });
  }
  return settings;
}

/** A key, what was wanted there, and what was found; absent = nothing. */
type Fault = readonly [key: string, wanted: string, got?: string];

/** What a Unix socket, a loopback address and any other address each need. */
function faultsOf(settings: GrpcSettings): Fault[] {
  const halves = pairsOf(settings).flatMap(([key, value, other, otherValue]): Fault[] =>
    value === "" && otherValue !== "" ? [[key, `a path, as ${other} has one`]] : []
  );
  return [...halves, ...settings.addr.startsWith(UNIX_PREFIX) ? unixFaults(settings) : tcpFaults(settings)];
}

/** A socket's mode says who may come: whoever names certificates there believes in something else. */
function unixFaults({ tlsCert, clientCa, allowedClients, readOnlyClients }: GrpcSettings): Fault[] {
  const wanted = "nothing, as addr is a Unix socket, to which its mode 0600 lets its owner alone";
  const given: [key: string, isGiven: boolean][] = [
    ["tls_cert", tlsCert !== ""],
    ["client_ca", clientCa !== ""],
    ["allowed_clients", allowedClients.length > 0],
    ["read_only_clients", readOnlyClients.length > 0],
  ];
  return given.filter(([, isGiven]) => isGiven).map(([key]) => [key, wanted, "a value"]);
}

function tcpFaults(settings: GrpcSettings): Fault[] {
  const { addr, clientCa, allowedClients, readOnlyClients, insecure } = settings;
  const faults: Fault[] = [];
  const hasTls = settings.tlsCert !== "" || settings.tlsKey !== "";
  const isOpen = !isLoopbackAddress(addr);
  const clients = allowedClients.length + readOnlyClients.length;
  if (!hasTls && (isOpen || clientCa !== "")) {
    const reason = isOpen ? "addr is no loopback address" : "client_ca is given";
    faults.push(["tls_cert", `a certificate with its tls_key, as ${reason}`]);
  } else if (!hasTls && !insecure) {
    faults.push(["tls_cert", "a certificate with its tls_key, or insecure = true"]);
  }
  if (clientCa === "" && isOpen) {
    faults.push(["client_ca", "the CA of client certificates, as addr is no loopback address"]);
  } else if (clientCa === "" && clients > 0) {
    faults.push(["client_ca", "the CA of the clients that allowed_clients and read_only_clients name"]);
  } else if (clientCa === "" && hasTls && !insecure) {
    faults.push(["client_ca", "the CA of client certificates, or insecure = true"]);
  }
  if (clientCa !== "" && clients === 0) {
    faults.push(["allowed_clients", "the names of the clients that client_ca is for"]);
  }
  return faults;
}

/** Each half of a certificate and key, with the other half. */
function pairsOf(settings: GrpcSettings): [key: string, value: string, other: string, otherValue: string][] {
  const { tlsCert, tlsKey, clientCert, clientKey } = settings;
  return [
    ["tls_cert", tlsCert, "tls_key", tlsKey],
    ["tls_key", tlsKey, "tls_cert", tlsCert],
    ["client_cert", clientCert, "client_key", clientKey],
    ["client_key", clientKey, "client_cert", clientCert],
  ];
}

function isLoopbackAddress(addr: string): boolean {
  const host = parseListenAddress(addr)?.host ?? "";
  return host === "::1" || /^127\./.test(host);
}

/**
 * `[grpc]`: who may reach the admin API, and over what.
 *
 * @module
 */

import { parseListenAddress } from "../state/listen_address.ts";
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
  for (const [key, wanted] of faultsOf(settings)) {
    reading.issues.push({ path: `grpc.${key}`, wanted, got: "nothing" });
  }
  return settings;
}

/** What a Unix socket, a loopback address and any other address each need. */
function faultsOf(settings: GrpcSettings): [key: string, wanted: string][] {
  const faults: [string, string][] = [];
  const hasTls = settings.tlsCert !== "" || settings.tlsKey !== "";
  const isReachedOverTcp = !settings.addr.startsWith("unix:");
  const isOpen = isReachedOverTcp && !isLoopbackAddress(settings.addr);
  const clients = settings.allowedClients.length + settings.readOnlyClients.length;
  for (const [key, value, other, otherValue] of pairsOf(settings)) {
    if (value === "" && otherValue !== "") faults.push([key, `a path, as ${other} has one`]);
  }
  if (isOpen && !hasTls) {
    faults.push(["tls_cert", "a certificate with its tls_key, as addr is no loopback address"]);
  }
  if (isOpen && settings.clientCa === "") {
    faults.push(["client_ca", "the CA of client certificates, as addr is no loopback address"]);
  }
  if (isReachedOverTcp && !isOpen && !hasTls && !settings.insecure) {
    faults.push(["tls_cert", "a certificate with its tls_key, or insecure = true"]);
  }
  if (settings.clientCa !== "" && clients === 0) {
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

/**
 * What the options of an L7 route must be, and what they require of each other.
 *
 * @module
 */

import { parseIpAddress } from "../policy/ip_address.ts";
import { canonicalServerName } from "../wire/server_name.ts";
import { type Issue, quote, validateBackend, validateCount } from "./issue.ts";
import type { L7Options } from "./model.ts";

/**
 * Every mistake in an L7 route's options by themselves; files are read elsewhere.
 *
 * @param isDefaultRoute whether the route's hostname is `*`, which is never given an ACME challenge
 * @param path the route's path
 */
export function validateL7(options: L7Options, isDefaultRoute: boolean, path: string): Issue[] {
  const issues: Issue[] = [];
  if (options.tlsCert === "") issues.push({ path: `${path}.tls_cert`, wanted: "a PEM file", got: '""' });
  if (options.tlsKey === "") issues.push({ path: `${path}.tls_key`, wanted: "a PEM file", got: '""' });
  issues.push(...validateBackendTls(options, path));
  if (options.acmeBackend !== undefined) {
    issues.push(...validateBackend(options.acmeBackend, `${path}.acme_backend`));
    if (isDefaultRoute) {
      const wanted = 'none on the "*" route, which is never given an ACME challenge';
      issues.push({ path: `${path}.acme_backend`, wanted, got: "a backend" });
    }
  }
  if (options.maxBodyBytes !== undefined) {
    issues.push(...validateCount(options.maxBodyBytes, Number.MAX_SAFE_INTEGER, `${path}.max_body_bytes`));
  }
  return issues;
}

function validateBackendTls(options: L7Options, path: string): Issue[] {
  const { backendProtocol, backendTls, backendCa, backendServerName } = options;
  const issues: Issue[] = [];
  const needsTls = 'backend_tls = true for backend_protocol "h2"; "h2c" is HTTP/2 in clear';
  if ((backendProtocol === "h2" && !backendTls) || (backendProtocol === "h2c" && backendTls)) {
    issues.push({ path: `${path}.backend_protocol`, wanted: needsTls, got: quote(backendProtocol) });
  }
  const wanted = "nothing without backend_tls";
  if (!backendTls && backendCa !== "") {
    issues.push({ path: `${path}.backend_ca`, wanted, got: quote(backendCa) });
  }
  if (!backendTls && backendServerName !== "") {
    issues.push({ path: `${path}.backend_server_name`, wanted, got: quote(backendServerName) });
  } else if (backendServerName !== "" && !isServerName(backendServerName)) {
    const name = "a canonical DNS name or IP address";
    issues.push({ path: `${path}.backend_server_name`, wanted: name, got: quote(backendServerName) });
  }
  return issues;
}

function isServerName(text: string): boolean {
  return (canonicalServerName(text) ?? parseIpAddress(text)?.text) === text;
}

/**
 * What makes each alert of deploy/prometheus/alerts.yml fire: series in promtool's notation, a value a minute, looked at
 * after two hours.
 *
 * @module
 */

/** One series: its name with labels, and its values such as `0+60x120` (from 0 up by 60, 120 times). */
export type Series = readonly [name: string, values: string];

/** One alert, the series that make it fire once, and its labels then, `severity` left out. */
export interface AlertCase {
  readonly alert: string;
  readonly series: readonly Series[];
  readonly labels: Readonly<Record<string, string>>;
}

const HOST = 'instance="a"';
const ALONE = { instance: "a" };
const ENDS = "mcproxy_connections_total";
const end = (reason: string, values: string): Series => [
  `${ENDS}{${HOST},listener=":443",reason="${reason}"}`,
  values,
];
const unit = (name: string, state: string, values: string): Series => [
  `node_systemd_unit_state{${HOST},name="${name}",state="${state}"}`,
  values,
];
const GOOD = end("client_eof", "0+600x120");
/** Appears two minutes before the alerts are looked at: its first count is no increase of anything. */
const APPEARS = "_x118 1 1 1";

/** A host on which nothing is wrong, though it is used and has seen everything that is harmless. */
export const HEALTHY: readonly Series[] = [
  unit("mc-proxy.service", "active", "1x120"),
  unit("mc-proxy-snapshot.service", "failed", "0x120"),
  [`node_textfile_mtime_seconds{${HOST},file="/x/mc-proxy.prom"}`, "0+60x120"],
  [`node_filesystem_avail_bytes{${HOST},mountpoint="/"}`, "50x120"],
  [`node_filesystem_size_bytes{${HOST},mountpoint="/"}`, "100x120"],
  [`mcproxy_worker_restarts_total{${HOST}}`, "3x120"],
  [`mcproxy_accept_errors_total{${HOST},code="aborted"}`, "0+9x120"],
  [`mcproxy_accept_errors_total{${HOST},code="descriptors"}`, "0x120"],
  [`mcproxy_firewall_verdicts_total{${HOST},type="rate_limit",mode="enforce"}`, "0+60x120"],
  [`mcproxy_firewall_verdicts_total{${HOST},type="rate_limit",mode="shadow"}`, "0+6000x120"],
  GOOD,
  ...["blocked_ip", "unknown_name", "hello_eof"].map((reason) => end(reason, "0+50x120")),
  ...["dial_failed"].map((reason) => end(reason, "0+1x120")),
  // Counted long ago, not since.
  ...["over_limit", "certificate_unusable", "internal", "proxy_untrusted"].map((reason) =>
    end(reason, "7x120")
  ),
  [`mcproxy_requests_total{${HOST},route=":443 a",class="2xx"}`, "0+600x120"],
  [`mcproxy_requests_total{${HOST},route=":443 a",class="5xx"}`, "0+6x120"],
  [`mcproxy_flood_total{${HOST},kind="reset"}`, "0+6x120"],
  [`mcproxy_rate_table_evictions_total{${HOST}}`, "0+6x120"],
  [`mcproxy_certificate_expiry_seconds{${HOST},route=":443 a"}`, "5184000-60x120"],
  [`mcproxy_reload_failures_total{${HOST},what="geoip"}`, "2x120"],
  [`mcproxy_geoip_age_seconds{${HOST}}`, "86400+60x120"],
  [`mcproxy_geoip_lookup_errors_total{${HOST}}`, "0x120"],
  [`mcproxy_events_dropped_total{${HOST}}`, "5x120"],
  // Late for a moment, and a little late all the time.
  [`mcproxy_event_loop_lag_seconds{${HOST},process="main"}`, "0x117 2x1 0"],
  [`mcproxy_event_loop_lag_seconds{${HOST},process="0"}`, "0.1x120"],
];

/** Every alert. */
export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: "McProxyDown",
    series: [unit("mc-proxy.service", "active", "1x110 0x9")],
    labels: { instance: "a", name: "mc-proxy.service", state: "active" },
  },
  {
    alert: "McProxySilent",
    series: [[`node_textfile_mtime_seconds{${HOST},file="/x/mc-proxy.prom"}`, "0+60x100 6000x19"]],
    labels: { instance: "a", file: "/x/mc-proxy.prom" },
  },
  {
    alert: "McProxyWorkerRestarts",
    series: [[`mcproxy_worker_restarts_total{${HOST}}`, "0x115 1x4"]],
    labels: ALONE,
  },
  {
    alert: "McProxyAcceptErrors",
    series: [[`mcproxy_accept_errors_total{${HOST},code="descriptors"}`, "0x117 1x2"]],
    labels: { instance: "a", code: "descriptors" },
  },
  {
    alert: "McProxyOverLimit",
    series: [end("over_limit", APPEARS)],
    labels: { instance: "a", listener: ":443" },
  },
  {
    alert: "McProxyRateLimited",
    series: [[`mcproxy_firewall_verdicts_total{${HOST},type="rate_limit",mode="enforce"}`, "0+900x120"]],
    labels: ALONE,
  },
  { alert: "McProxyManyBlocked", series: [GOOD, end("blocked_cidr", "0+900x120")], labels: ALONE },
  { alert: "McProxyHelloFailures", series: [GOOD, end("hello_timeout", "0+400x120")], labels: ALONE },
  { alert: "McProxyUnknownNames", series: [GOOD, end("no_name", "0+300x120")], labels: ALONE },
  {
    alert: "McProxyProxyHeaders",
    series: [end("proxy_untrusted", "0+60x120")],
    labels: { instance: "a", listener: ":443", reason: "proxy_untrusted" },
  },
  { alert: "McProxyDialFailures", series: [GOOD, end("dial_timeout", "0+12x120")], labels: ALONE },
  {
    alert: "McProxyServerErrors",
    series: [
      [`mcproxy_requests_total{${HOST},route=":443 a",class="2xx"}`, "0+600x120"],
      [`mcproxy_requests_total{${HOST},route=":443 a",class="5xx"}`, "0+60x120"],
    ],
    labels: { instance: "a", route: ":443 a" },
  },
  {
    alert: "McProxyFlood",
    series: [[`mcproxy_flood_total{${HOST},kind="reset"}`, "0+120x120"]],
    labels: { instance: "a", kind: "reset" },
  },
  {
    alert: "McProxyRateTableFull",
    series: [[`mcproxy_rate_table_evictions_total{${HOST}}`, "0+100x120"]],
    labels: ALONE,
  },
  {
    alert: "McProxyCertificateExpires",
    series: [[`mcproxy_certificate_expiry_seconds{${HOST},route=":443 a"}`, "1200000-60x120"]],
    labels: { instance: "a", route: ":443 a" },
  },
  {
    alert: "McProxyCertificateUnusable",
    series: [end("certificate_unusable", APPEARS)],
    labels: { instance: "a", listener: ":443" },
  },
  {
    alert: "McProxyReloadFailed",
    series: [[`mcproxy_reload_failures_total{${HOST},what="certificate"}`, "0x100 1x19"]],
    labels: { instance: "a", what: "certificate" },
  },
  {
    alert: "McProxyGeoipOld",
    series: [[`mcproxy_geoip_age_seconds{${HOST}}`, "4000000+60x120"]],
    labels: ALONE,
  },
  {
    alert: "McProxyGeoipDamaged",
    series: [[`mcproxy_geoip_lookup_errors_total{${HOST}}`, "0x115 9x4"]],
    labels: ALONE,
  },
  {
    alert: "McProxyEventsDropped",
    series: [[`mcproxy_events_dropped_total{${HOST}}`, "0x115 9x4"]],
    labels: ALONE,
  },
  {
    alert: "McProxyEventLoopLag",
    series: [[`mcproxy_event_loop_lag_seconds{${HOST},process="1"}`, "0x100 0.7x19"]],
    labels: { instance: "a", process: "1" },
  },
  {
    alert: "McProxyInternalErrors",
    series: [end("internal", APPEARS)],
    labels: { instance: "a", reason: "internal" },
  },
  {
    alert: "McProxySnapshotFailed",
    series: [unit("mc-proxy-snapshot.service", "failed", "0x20 1x99")],
    labels: { instance: "a", name: "mc-proxy-snapshot.service", state: "failed" },
  },
  {
    alert: "McProxyDiskFull",
    series: [
      [`node_filesystem_avail_bytes{${HOST},mountpoint="/var"}`, "50x60 5x59"],
      [`node_filesystem_size_bytes{${HOST},mountpoint="/var"}`, "100x120"],
    ],
    labels: { instance: "a", mountpoint: "/var" },
  },
];

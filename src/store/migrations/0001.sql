-- The tables of schema 1. Ids are AUTOINCREMENT: the id of a removed row is never given to another one.
-- Times are Unix time in ms. No key material is stored, only the paths of its files.

CREATE TABLE listeners (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  host TEXT NOT NULL,
  port INTEGER NOT NULL CHECK (port BETWEEN 0 AND 65535),
  max_connections INTEGER NOT NULL CHECK (max_connections >= 0),
  proxy_protocol INTEGER NOT NULL CHECK (proxy_protocol IN (0, 1)),
  trusted_proxies TEXT NOT NULL CHECK (json_valid(trusted_proxies) AND json_type(trusted_proxies) = 'array'),
  UNIQUE (host, port)
) STRICT;

CREATE TABLE routes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  listener_id INTEGER NOT NULL REFERENCES listeners (id),
  hostname TEXT NOT NULL,
  backend_host TEXT NOT NULL,
  backend_port INTEGER NOT NULL CHECK (backend_port BETWEEN 1 AND 65535),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  mode TEXT NOT NULL CHECK (mode IN ('l4', 'l7')),
  send_proxy_protocol INTEGER NOT NULL CHECK (send_proxy_protocol IN (0, 1)),
  idle_timeout_ms INTEGER CHECK (idle_timeout_ms >= 0),
  max_connections INTEGER NOT NULL CHECK (max_connections >= 0),
  UNIQUE (listener_id, hostname)
) STRICT;

-- One row for each route whose mode is 'l7'.
CREATE TABLE l7_options (
  route_id INTEGER PRIMARY KEY REFERENCES routes (id),
  tls_cert TEXT NOT NULL,
  tls_key TEXT NOT NULL,
  backend_tls INTEGER NOT NULL CHECK (backend_tls IN (0, 1)),
  backend_ca TEXT NOT NULL,
  backend_server_name TEXT NOT NULL,
  backend_protocol TEXT NOT NULL CHECK (backend_protocol IN ('h2c', 'h2', 'http/1.1')),
  acme_backend_host TEXT,
  acme_backend_port INTEGER CHECK (acme_backend_port BETWEEN 1 AND 65535),
  max_body_bytes INTEGER CHECK (max_body_bytes >= 0),
  CHECK ((acme_backend_host IS NULL) = (acme_backend_port IS NULL))
) STRICT;

CREATE TABLE firewall_rules (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL CHECK (type IN ('ip', 'cidr', 'country')),
  value TEXT NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('block', 'allow')),
  mode TEXT NOT NULL CHECK (mode IN ('enforce', 'shadow')),
  expires_at_ms INTEGER,
  comment TEXT NOT NULL
) STRICT;

-- One row for each change of the configuration. The newest row is what the tables above hold.
CREATE TABLE revisions (
  number INTEGER PRIMARY KEY CHECK (number >= 1),
  parent INTEGER NOT NULL CHECK (parent = number - 1),
  time_ms INTEGER NOT NULL,
  author TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('seed', 'rpc', 'rollback', 'revert', 'expiry')),
  changes TEXT NOT NULL CHECK (json_valid(changes) AND json_type(changes) = 'array'),
  -- The whole configuration after the change, in each 100th row.
  snapshot TEXT CHECK (json_valid(snapshot) AND (snapshot IS NULL) = (number % 100 <> 0))
) STRICT;

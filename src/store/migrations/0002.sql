-- Schema 2: changes that wait for a confirmation, and answers kept for idempotency keys.

-- At most one row: the newest revision goes back to the content of `revert_to` unless it is confirmed in time.
CREATE TABLE pending_confirm (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  revision INTEGER NOT NULL CHECK (revision >= 2),
  revert_to INTEGER NOT NULL CHECK (revert_to BETWEEN 1 AND revision - 1),
  deadline_ms INTEGER NOT NULL CHECK (deadline_ms > 0)
) STRICT;

-- The first answer to each call that came with an idempotency key. No key material is in an answer.
CREATE TABLE kept_answers (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  author TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  call_digest TEXT NOT NULL,
  answer BLOB NOT NULL,
  time_ms INTEGER NOT NULL,
  UNIQUE (author, idempotency_key)
) STRICT;

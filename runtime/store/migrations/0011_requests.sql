-- Writes that were sent with an idempotency key: done once, and answered the same for a day.
create table bulkhead.requests (
  caller uuid not null,
  key text not null,
  hash bytea not null, -- of the operation and its input: another one is refused under the same key
  host uuid not null,
  leased_until timestamptz not null, -- renewed by the host that works on it; past it, that host is gone
  status integer, -- of the answer; null while there is none
  headers jsonb,
  body text,
  created_at timestamptz not null default now(),
  primary key (caller, key)
);

create index requests_age on bulkhead.requests (created_at);

-- Work that takes longer than a request. What was running on a host that is gone is lost.
create table bulkhead.progress (
  id uuid primary key,
  caller uuid not null,
  operation text not null,
  host uuid not null,
  leased_until timestamptz not null,
  state text not null default 'running' check (state in ('running', 'done', 'failed')),
  step text,
  percent real,
  result text, -- JSON, as is the error
  error text,
  started_at timestamptz not null default now(),
  ended_at timestamptz
);

create index progress_age on bulkhead.progress (started_at);

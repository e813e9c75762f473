-- A key is looked up by its prefix, which is no secret, and proven by the SHA-256 of the whole.
create table bulkhead.api_keys (
  id uuid primary key,
  prefix text not null,
  hash bytea not null unique,
  name text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);

create index api_keys_prefix on bulkhead.api_keys (prefix);

-- What the operator, or the host after too many failures, decided about a module; survives restarts.
create table bulkhead.modules (
  name text primary key,
  enabled boolean not null,
  disabled_reason text,
  updated_at timestamptz not null default now()
);

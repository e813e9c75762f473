-- What a key may do: its own scopes, those of its roles, and where `modules` is set, only what is about those modules.
alter table bulkhead.api_keys
  add column roles text[] not null default '{}',
  add column modules text[],
  add column requests_per_minute integer check (requests_per_minute between 1 and 1000000),
  add column created_by text,
  add column rotates uuid references bulkhead.api_keys;

-- Roles beside those that are built in.
create table bulkhead.roles (
  name text primary key,
  description text not null,
  scopes text[] not null,
  changed_by text not null,
  changed_at timestamptz not null default now()
);

create table bulkhead.key_usage (
  key uuid not null,
  day date not null,
  requests bigint not null,
  refused bigint not null, -- by the rate, for want of a scope, or for what they brought
  primary key (key, day)
);

-- Who did what, and what was there before and after. Nobody changes it, the host's own role included.
create table bulkhead.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  key uuid not null,
  key_name text not null,
  operation text not null,
  module text,
  request_id text not null,
  status integer not null,
  error text,
  input jsonb,
  before jsonb,
  after jsonb
);

create index audit_module on bulkhead.audit (module, id) where module is not null;
create index audit_key on bulkhead.audit (key, id);

create function bulkhead.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create trigger audit_append_only before update or delete or truncate on bulkhead.audit
  for each statement execute function bulkhead.refuse_change();

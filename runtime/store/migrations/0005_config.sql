-- What operators configured: one row for a module and scope, `id` empty for the scope global. The text of `config` is
-- kept as it came, with references such as "$API_KEY" in place of secrets. `enabled` is null where the row says nothing.
create table bulkhead.module_configs (
  module text not null,
  scope text not null check (scope in ('global', 'group', 'class', 'tool')),
  id text not null check ((scope = 'global') = (id = '')),
  config json not null,
  enabled boolean,
  revision bigint not null,
  changed_by text not null,
  changed_at timestamptz not null,
  primary key (module, scope, id)
);

-- Every change, in order: whoever changes something holds a lock until its transaction ends. `before` and `after` are
-- {config, enabled}, null where there was no row.
create table bulkhead.config_changes (
  revision bigint generated always as identity primary key,
  module text not null,
  scope text not null,
  id text not null,
  action text not null check (action in ('set', 'unset', 'rollback', 'import')),
  before json,
  after json,
  changed_by text not null,
  changed_at timestamptz not null default now()
);

create index config_changes_module on bulkhead.config_changes (module, revision);

-- What the last version that was let in asked for. A module that is not in here has never been seen.
create table bulkhead.module_asks (
  module text primary key,
  version text not null,
  permissions text[] not null,
  accepted_at timestamptz not null default now()
);

create table bulkhead.module_grants (
  module text not null,
  permission text not null,
  granted boolean not null,
  decided_by text not null,
  decided_at timestamptz not null default now(),
  primary key (module, permission)
);

-- Every decision, in order, under the same lock as changes of configuration.
create table bulkhead.grant_changes (
  revision bigint generated always as identity primary key,
  module text not null,
  permission text not null,
  action text not null check (action in ('grant', 'revoke')),
  changed_by text not null,
  changed_at timestamptz not null default now()
);

-- What modules tried without having been granted it; counted, as a module may try as often as it likes.
create table bulkhead.violations (
  module text not null,
  version text not null,
  permission text not null,
  count bigint not null,
  hook text not null,
  execution uuid not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  primary key (module, version, permission)
);

-- Switched off by the host, for what it did, and not by an operator: a hook that it fails closed goes on blocking.
alter table bulkhead.modules add column quarantined boolean not null default false;

-- What modules keep under keys. A key is bytes whose order is that of its parts, so that a range of keys is a range of
-- the index. `version` is drawn while the module's row in kv_usage is locked: later ones are larger.
-- `value` is, by `kind`, the text of a value, bytes as they are, or eight bytes of a counter, least first.

create sequence bulkhead.kv_version as bigint;

create table bulkhead.kv (
  module text not null,
  key bytea not null,
  kind "char" not null check (kind in ('v', 'b', 'u')),
  value bytea not null,
  version bigint not null,
  expires_at timestamptz,
  primary key (module, key)
);

create index kv_expiry on bulkhead.kv (expires_at) where expires_at is not null;

-- How much each module has there, expired rows that nobody has removed yet among it. Who writes holds its row.
create table bulkhead.kv_usage (
  module text primary key,
  keys bigint not null default 0,
  bytes bigint not null default 0
);

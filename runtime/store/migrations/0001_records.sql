-- Records are partitioned by the day they were made (UTC), so that retention drops partitions and deletes no rows.
-- A unique key of a partitioned table holds the partition key: created_at is fixed once per record, by the host, so
-- that a record sent again meets itself. Order is (created_at, seq, id): records of one execution share milliseconds.
-- Identifiers are made by the host.

create table bulkhead.extractions (
  id uuid not null,
  module text not null,
  version text not null,
  execution uuid not null,
  seq integer not null,
  hook text not null,
  type text not null,
  data jsonb not null,
  session_id text,
  user_id text,
  run_id text,
  created_at timestamptz not null,
  primary key (created_at, seq, id),
  unique (created_at, execution, seq)
) partition by range (created_at);

create index extractions_module on bulkhead.extractions (module, created_at, seq, id);
create index extractions_type on bulkhead.extractions (type, created_at, seq, id);
create index extractions_session on bulkhead.extractions (session_id, created_at, seq, id) where session_id is not null;
create index extractions_user on bulkhead.extractions (user_id, created_at, seq, id) where user_id is not null;

-- Takes what no day's partition takes; empty as long as the host makes partitions ahead of time.
create table bulkhead.extractions_rest partition of bulkhead.extractions default;

create table bulkhead.logs (
  id uuid not null,
  module text not null,
  version text not null,
  execution uuid, -- null: said outside of an execution, by the host or while the module loaded
  seq integer not null,
  level text not null check (level in ('debug', 'info', 'warn', 'error')),
  message text not null,
  data jsonb,
  created_at timestamptz not null,
  primary key (created_at, seq, id),
  unique (created_at, execution, seq)
) partition by range (created_at);

create index logs_module on bulkhead.logs (module, created_at, seq, id);

create table bulkhead.logs_rest partition of bulkhead.logs default;

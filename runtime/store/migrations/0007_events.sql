-- What has happened, as modules are told of it, for as long as one of them has yet to be told. `context` is JSON text,
-- kept as text: it is passed on letter by letter.
create table bulkhead.events (
  id uuid primary key,
  hook text not null,
  context text not null,
  created_at timestamptz not null default now()
);

-- One module that is to be told of one event. The row is gone once it has been; `host` is who is at it, and `dead_at`
-- is set when it has failed too often.
create table bulkhead.deliveries (
  event uuid not null,
  module text not null,
  hook text not null,
  attempt smallint not null default 0,
  due_at timestamptz not null default now(),
  host uuid,
  dead_at timestamptz,
  code text,
  message text,
  primary key (event, module)
);

create index deliveries_due on bulkhead.deliveries (module, due_at) where host is null and dead_at is null;
create index deliveries_host on bulkhead.deliveries (host) where host is not null;
create index deliveries_dead on bulkhead.deliveries (dead_at, event, module) where dead_at is not null;

-- Hosts that deliver. What belongs to one that has not been seen for a while is delivered by another.
create table bulkhead.hosts (
  id uuid primary key,
  seen_at timestamptz not null default now()
);

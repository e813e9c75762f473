-- What happened to modules, cells and decisions, in the order in which streams tell it. Numbers are given under a lock
-- that is held until the transaction ends: who has seen one has seen all before it.
create table bulkhead.happenings (
  id bigint generated always as identity primary key,
  once uuid not null unique, -- made by the host, so that a row sent again meets itself
  at timestamptz not null,
  host uuid not null,
  type text not null,
  module text,
  data jsonb not null
);

create index happenings_module on bulkhead.happenings (module, id) where module is not null;
create index happenings_at on bulkhead.happenings (at);

-- Which files of a module's database/migrations were run, as migrations lists those of the platform. The text of the
-- way back is kept: whoever goes back to an older folder has the newer one's files no more.
create table bulkhead.mod_migrations (
  module text not null,
  number integer not null,
  name text not null,
  checksum text not null,
  down text,
  duration_ms integer not null,
  applied_at timestamptz not null default now(),
  primary key (module, number)
);

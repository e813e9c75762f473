-- When each scheduled job of a module last started; its manifest says what becomes of runs that were missed.
create table bulkhead.job_runs (
  module text not null,
  job text not null,
  started_at timestamptz not null,
  primary key (module, job)
);

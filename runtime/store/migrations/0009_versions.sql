-- What modules were, version by version; a row never changes. `hash` is the SHA-256 of all files by their paths: the same
-- content is the same version. `content` is the files one after the other in the order of `files`, and `artifact` the
-- bundle as the cache of artifacts keeps it, both compressed by gzip; `built_with` says by what it was made.
create table bulkhead.module_versions (
  module text not null,
  number integer not null,
  version text not null,
  hash text not null,
  manifest json not null,
  files json not null,
  content bytea not null,
  artifact bytea not null,
  code_bytes integer not null,
  built_with text not null,
  origin json not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (module, number),
  unique (module, hash)
);

alter table bulkhead.module_versions alter column content set storage external, alter column artifact set storage external;

-- Which version each module runs, and which of them waits for grants. `installed`: it belongs to the database, and
-- every host brings it up; otherwise to a folder of a host. `passed_over` is the content of a folder that somebody has
-- gone back from: it comes up again once it has changed. Whoever changes a row takes the lock of changes, so that
-- revisions become visible in their order.
create table bulkhead.module_heads (
  module text primary key,
  installed boolean not null,
  current integer,
  waiting integer,
  passed_over text,
  pinned boolean not null default false,
  revision bigint not null,
  changed_by text not null,
  changed_at timestamptz not null default now()
);

create sequence bulkhead.module_head_revisions;

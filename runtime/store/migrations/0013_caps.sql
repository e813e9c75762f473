-- How long an answer is that was given under an idempotency key. `body` is null where it was too long to be kept, or
-- has made room for later ones: the key still has its request done once.
alter table bulkhead.requests add column bytes integer;
update bulkhead.requests set bytes = octet_length(body) where body is not null;

-- What is no longer kept of who did what may go: by the host, which says so with this setting, and never before 30 days.
drop trigger audit_append_only on bulkhead.audit;
create trigger audit_append_only before update or truncate on bulkhead.audit
  for each statement execute function bulkhead.refuse_change();
create trigger audit_is_kept before delete on bulkhead.audit for each statement
  when (coalesce(current_setting('bulkhead.expired', true), '') <> 'audit') execute function bulkhead.refuse_change();
create trigger audit_is_young before delete on bulkhead.audit for each row
  when (old.at > now() - interval '30 days') execute function bulkhead.refuse_change();

create index audit_at on bulkhead.audit (at);

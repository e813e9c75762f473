-- Whose class a record is about, for those who read what was kept of a user in one of several.
alter table bulkhead.extractions add column class_id text;

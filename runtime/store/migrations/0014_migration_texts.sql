-- What a module's migration said, so that a backup can make its tables anew though the version that brought the file is
-- gone. Null where it was run before this was kept; filled in the next time the module is brought up with that file.
alter table bulkhead.mod_migrations add column text text;

import type { Sql } from 'postgres'
import { FUNCTIONS } from './functions.ts'
import { identifier } from './names.ts'

/** Functions that wait, lock, signal, read or write elsewhere, change settings, or run text as SQL. */
const DANGEROUS = [
  '^pg_(sleep|try_advisory|advisory|notify|cancel_backend|terminate_backend|export_snapshot|log_|ls_|read_|stat_file|logical|create_|copy_|replication)',
  '^pg_(stat_get|stat_reset|get_backend|blocking|safe_snapshot|current_wal|switch_wal|wal_|control_|listening|notification|show_all)',
  '^(lo_|loread|lowrite|set_config|ts_stat|ts_rewrite|dblink|currtid|txid_)',
  '_to_xml(schema|_and_xmlschema)?$',
].join('|')

/**
 * Takes from PUBLIC, which every module's role belongs to, what modules have no use for. Only on a server that is ours
 * alone: on somebody else's it would change what others may do.
 */
export async function hardenEmbedded(sql: Sql): Promise<void> {
  await sql.unsafe(`
    do $do$
    declare target text;
    begin
      for target in select oid::regprocedure from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and proname ~ '${DANGEROUS}' and has_function_privilege('public', oid, 'execute')
      loop execute format('revoke execute on function %s from public', target); end loop;
      -- pg_type: drivers look there for the types of arrays.
      for target in select oid::regclass from pg_class
        where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v') and relname <> 'pg_type'
          and has_table_privilege('public', oid, 'select')
      loop execute format('revoke select on %s from public', target); end loop;
      for target in select datname from pg_database where has_database_privilege('public', oid, 'connect, temporary')
      loop execute format('revoke all on database %I from public', target); end loop;
      for target in select lanname from pg_language where lanpltrusted and has_language_privilege('public', oid, 'usage')
      loop execute format('revoke usage on language %I from public', target); end loop;
      revoke all on schema public, information_schema from public;
      execute format('grant connect on database %I to public', current_database());
    end $do$`)
}

/** What a server of somebody else's lacks, as the statements with which its operator could put that right. */
export async function lacksOf(sql: Sql): Promise<string[]> {
  const [server] = await sql<Array<{ name: string; database: string; temporary: boolean; limits: boolean }>>`
    select current_user as name, current_database() as database,
      has_database_privilege('public', current_database(), 'temporary') as temporary,
      rolsuper or has_parameter_privilege(current_user, 'temp_file_limit', 'set') as limits
    from pg_roles where rolname = current_user`
  if (server === undefined) return []
  return [
    ...(server.temporary ? [`revoke temporary on database ${identifier(server.database)} from public`] : []),
    ...(server.limits ? [] : [`grant set on parameter temp_file_limit to ${identifier(server.name)}`]),
  ]
}

/** Names that a cast to a type or a column could have as well; behind them is nothing of harm. */
const HARMLESS = new Set(['oid', 'xid', 'xml'])

/** Functions that `(x).name` could call: one argument will do, and they are not for modules. */
export async function projectionsOf(sql: Sql): Promise<string[]> {
  const rows = await sql<Array<{ name: string }>>`
    select distinct proname as name from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and pronargs > 0 and pronargs - pronargdefaults <= 1`
  return rows.map(({ name }) => name).filter((name) => !FUNCTIONS.has(name) && !HARMLESS.has(name))
}

import type { Sql } from 'postgres'
import { roleOf, schemaOf } from '../lend/names.ts'

/** Something that is not as it should be. */
export interface Problem {
  kind: 'orphan' | 'checksum' | 'role' | 'grant' | 'object' | 'accounting' | 'partition'
  /** Whose it is, where it is a module's. */
  module: string | null
  message: string
}

interface Validated {
  sql: Sql
  kind: 'embedded' | 'external'
  /** Of all modules that are known. */
  modules: readonly string[]
}

/** Looks for data of modules that are gone, and for roles, grants and sums that have drifted from what they should be. */
export async function findProblems(validated: Validated): Promise<Problem[]> {
  const found = []
  for (const find of [findOrphans, findRoles, findGrants, findObjects, findSums, findRest]) found.push(...(await find(validated)))
  return found
}

async function findOrphans({ sql, modules }: Validated): Promise<Problem[]> {
  const schemas = modules.map(schemaOf)
  const rows = await sql<Array<{ what: string; name: string; count: number | null }>>`
    select 'keys' as what, module as name, keys::float8 as count from bulkhead.kv_usage where keys > 0 and not module = any (${modules as string[]}::text[])
    union all
    select 'migrations', module, count(*)::float8 from bulkhead.mod_migrations where not module = any (${modules as string[]}::text[]) group by module
    union all
    select 'the schema', nspname, null from pg_namespace where nspname like 'mod\\_%' and not nspname = any (${schemas}::text[])
    order by 2, 1`
  return rows.map(({ what, name, count }) => ({
    kind: 'orphan' as const,
    module: what === 'the schema' ? name.slice('mod_'.length) : name,
    message: `${count === null ? '' : `${count} `}${what}${count === null ? ` ${name}` : ''} of a module that is not there`,
  }))
}

async function findRoles({ sql, kind, modules }: Validated): Promise<Problem[]> {
  const database = kind === 'embedded' ? undefined : String(sql.options.database)
  const roles = new Map(modules.map((module) => [roleOf(module, database), module]))
  const rows = await sql<Array<{ role: string; more: string[] }>>`
    select rolname as role, array_remove(array[
      case when rolsuper then 'is a superuser' end, case when rolcreaterole then 'makes roles' end, case when rolcreatedb then 'makes databases' end,
      case when rolreplication then 'replicates' end, case when rolbypassrls then 'bypasses row security' end,
      case when exists (select from pg_auth_members where member = r.oid) then 'is a member of other roles' end,
      case when not rolcanlogin then 'cannot log in' end], null) as more
    from pg_roles r where rolname = any (${[...roles.keys()]}::text[]) order by 1`
  return rows.flatMap(({ role, more }) =>
    more.map((what) => ({ kind: 'role' as const, module: roles.get(role) ?? null, message: `the role ${role} ${what}` })))
}

async function findGrants({ sql, modules }: Validated): Promise<Problem[]> {
  const schemas = new Map(modules.map((module) => [schemaOf(module), module]))
  const rows = await sql<Array<{ schema: string; object: string; grantee: string; privilege: string }>>`
    with granted as (
      select n.nspname as schema, 'the schema' as object, n.nspowner as owner, (aclexplode(n.nspacl)).* from pg_namespace n
      union all
      select n.nspname, c.relname, c.relowner, (aclexplode(c.relacl)).* from pg_class c join pg_namespace n on n.oid = c.relnamespace
    )
    select schema, object, case grantee when 0 then 'everybody' else pg_get_userbyid(grantee) end as grantee, privilege_type as privilege
    from granted g
    where grantee <> owner and (schema = 'bulkhead' or schema = any (${[...schemas.keys()]}::text[]))
      -- what is meant: a module's role uses its schema
      and not (object = 'the schema' and privilege_type = 'USAGE' and schema <> 'bulkhead' and grantee <> 0
        and split_part(pg_get_userbyid(grantee), '.', 1) = schema)
    order by 1, 2, 3, 4`
  return rows.map(({ schema, object, grantee, privilege }) => {
    const where = object === 'the schema' ? `the schema ${schema}` : `${schema}.${object}`
    return { kind: 'grant' as const, module: schemas.get(schema) ?? null, message: `${grantee} was granted ${privilege} on ${where}` }
  })
}

/** What no migration can have made, or whose owner is not the module. */
async function findObjects({ sql, modules }: Validated): Promise<Problem[]> {
  const schemas = new Map(modules.map((module) => [schemaOf(module), module]))
  const names = [...schemas.keys()]
  const rows = await sql<Array<{ schema: string; what: string }>>`
    select nspname as schema, 'a function, ' || proname as what from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = any (${names}::text[])
    union all
    select nspname, 'a trigger, ' || tgname from pg_trigger t join pg_class c on c.oid = tgrelid join pg_namespace n on n.oid = relnamespace
      where nspname = any (${names}::text[]) and not tgisinternal
    union all
    select nspname, 'a rule, ' || rulename from pg_rewrite r join pg_class c on c.oid = ev_class join pg_namespace n on n.oid = relnamespace
      where nspname = any (${names}::text[]) and rulename <> '_RETURN'
    union all
    select nspname, 'a relation of ' || pg_get_userbyid(relowner) || ', ' || relname from pg_class c join pg_namespace n on n.oid = relnamespace
      where nspname = any (${names}::text[]) and split_part(pg_get_userbyid(relowner), '.', 1) <> nspname and relkind in ('r', 'v', 'S', 'm', 'f', 'p')
    order by 1, 2`
  return rows.map(({ schema, what }) => ({ kind: 'object' as const, module: schemas.get(schema) ?? null, message: `the schema ${schema} has ${what}` }))
}

async function findSums({ sql }: Validated): Promise<Problem[]> {
  const rows = await sql<Array<{ module: string; keys: number; bytes: number; counted: number; sized: number }>>`
    with counted as (
      select module, count(*)::float8 as keys, sum(octet_length(key) + octet_length(value))::float8 as bytes from bulkhead.kv group by module
    )
    select coalesce(u.module, c.module) as module, coalesce(u.keys, 0)::float8 as keys, coalesce(u.bytes, 0)::float8 as bytes,
      coalesce(c.keys, 0) as counted, coalesce(c.bytes, 0) as sized
    from bulkhead.kv_usage u full join counted c using (module)
    where (u.keys, u.bytes) is distinct from (coalesce(c.keys, 0)::bigint, coalesce(c.bytes, 0)::bigint) order by 1`
  return rows.map(({ module, keys, bytes, counted, sized }) => ({
    kind: 'accounting' as const,
    module,
    message: `keys are accounted as ${keys} with ${bytes} bytes, and are ${counted} with ${sized}`,
  }))
}

/** A record that no day's partition took keeps that day from having one. */
async function findRest({ sql }: Validated): Promise<Problem[]> {
  const rows = await sql<Array<{ table: string; rows: number }>>`
    select 'extractions' as table, count(*)::int as rows from bulkhead.extractions_rest
    union all select 'logs', count(*)::int from bulkhead.logs_rest`
  return rows
    .filter((row) => row.rows > 0)
    .map(({ table, rows }) => ({ kind: 'partition' as const, module: null, message: `${rows} ${table} are in no day's partition` }))
}

import type { Sql } from 'postgres'
import { schemaOf } from '../lend/names.ts'

export interface TableDescription {
  name: string
  kind: 'table' | 'view' | 'sequence'
  /** As the server estimates it. */
  rows: number
  bytes: number
  columns: Array<{ name: string; type: string; notNull: boolean; default: string | null }>
  /** As they would be written. */
  constraints: string[]
  indexes: string[]
}

/** What a module's schema holds. */
export async function describeSchema(sql: Sql, module: string): Promise<TableDescription[]> {
  return [
    ...(await sql<TableDescription[]>`
      select c.relname as name, case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end as kind,
        greatest(c.reltuples, 0)::float8 as rows, pg_total_relation_size(c.oid)::float8 as bytes,
        coalesce((select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
            'default', pg_get_expr(d.adbin, d.adrelid)) order by a.attnum)
          from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and c.relkind <> 'S'), '[]') as columns,
        coalesce((select jsonb_agg(conname || ' ' || pg_get_constraintdef(oid) order by conname) from pg_constraint where conrelid = c.oid), '[]') as constraints,
        coalesce((select jsonb_agg(pg_get_indexdef(indexrelid) order by indexrelid) from pg_index where indrelid = c.oid), '[]') as indexes
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = ${schemaOf(module)} and c.relkind in ('r', 'v', 'S')
      order by c.relkind = 'S', c.relname`),
  ]
}

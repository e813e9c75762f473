import type { Sql, TransactionSql } from 'postgres'
import { lockChanges } from './change-lock.ts'
import { asked, storeFailed } from './failures.ts'
import type { Page } from './pages.ts'
import { selectSorted, type SortedQuery, type Sorts } from './sorted-pages.ts'

/** Where a version came from; what it takes to look there again. */
export type Origin =
  | { kind: 'folder'; folder: string }
  | { kind: 'upload' }
  /** `package` is what was asked for, such as `name@^1`; `name` and `version` are what that was. */
  | { kind: 'npm'; package: string; name: string; version: string }
  /** `address` is `URL#REF:FOLDER`. */
  | { kind: 'git'; address: string; commit: string }

export interface VersionFile {
  path: string
  bytes: number
  /** SHA-256, in hexadecimal. */
  hash: string
}

/** What is listed of a version. */
export interface VersionRow {
  module: string
  number: number
  /** By its manifest. */
  version: string
  /** SHA-256 of its files and their paths. */
  hash: string
  manifest: object
  files: VersionFile[]
  codeBytes: number
  origin: Origin
  createdBy: string
  createdAt: Date
}

const LISTED = {
  module: 'module',
  number: 'number',
  version: 'version',
  hash: 'hash',
  manifest: 'manifest',
  files: 'files',
  codeBytes: 'code_bytes',
  origin: 'origin',
  createdBy: 'created_by',
  createdAt: 'created_at',
} satisfies Record<keyof VersionRow, string>

/** What versions are sorted by, those of one module. */
export const VERSION_SORTS = ['number', 'version', 'createdBy', 'codeBytes'] as const
export type VersionQuery = SortedQuery<(typeof VERSION_SORTS)[number]>

/** What is needed to run one, or to make it anew. */
export interface VersionContent {
  number: number
  hash: string
  files: VersionFile[]
  content: Buffer
  artifact: Buffer
  builtWith: string
}

export type NewVersion = Omit<VersionRow, 'number' | 'createdAt'> & Pick<VersionContent, 'content' | 'artifact' | 'builtWith'>

/** Which version a module runs. */
export interface Head {
  module: string
  installed: boolean
  current: number | null
  /** The hash of that one. */
  hash: string | null
  /** One that comes up once somebody has decided about what it asks for. */
  waiting: number | null
  /** Content of its folder that somebody has gone back from. */
  passedOver: string | null
  pinned: boolean
}
export type HeadChange = Partial<Omit<Head, 'module' | 'hash'>>

export interface VersionRows {
  heads(): Promise<Head[]>
  /** Is another text whenever any head has changed. */
  stamp(): Promise<string>
  /** Keeps a version, or finds the one with its content. @returns its number @throws STORE_FAILED */
  keep(version: NewVersion): Promise<{ number: number; isNew: boolean }>
  /**
   * Changes a module's head, made where there is none, and drops versions past `most`: the oldest, but never the one
   * that runs or waits.
   *
   * @returns the hashes of what was dropped
   */
  change(module: string, change: HeadChange, by: string, most?: number): Promise<string[]>
  /** The head and every version. */
  remove(module: string): Promise<void>
  /** Takes a version back that never ran. */
  drop(module: string, number: number): Promise<void>
  /** @throws as `selectSorted` */
  list(module: string, query: VersionQuery): Promise<Page<VersionRow>>
  find(module: string, by: { number: number } | { hash: string } | { below: number }): Promise<VersionRow | undefined>
  content(module: string, number: number): Promise<VersionContent | undefined>
}

/** @example await openVersionRows(sql).heads() // [{ module: 'notes', installed: true, current: 3, … }] */
export function openVersionRows(sql: Sql): VersionRows {
  const listed = () => Object.entries(LISTED).map(([name, column]) => sql`${sql(column)} as ${sql(name)}`).reduce((one, next) => sql`${one}, ${next}`)

  return {
    heads: () =>
      asked('read which versions run', () => sql<Head[]>`
        select h.module, installed, current, hash, waiting, passed_over as "passedOver", pinned
        from bulkhead.module_heads h left join bulkhead.module_versions v on v.module = h.module and v.number = h.current`),
    async stamp() {
      const [found] = await sql<Array<{ stamp: string }>>`
        select count(*) || ' ' || coalesce(max(revision), 0) as stamp from bulkhead.module_heads`
      return found?.stamp ?? ''
    },
    keep: (version) => begin(sql, `keep a version of ${version.module}`, (tx) => keep(tx, version)),
    change: (module, change, by, most = Infinity) =>
      begin(sql, `change which version of ${module} runs`, async (tx) => {
        await put(tx, module, change, by)
        return most === Infinity ? [] : prune(tx, module, most)
      }),
    remove: (module) =>
      begin(sql, `remove ${module}`, async (tx) => {
        await tx`delete from bulkhead.module_versions where module = ${module}`
        await tx`delete from bulkhead.module_heads where module = ${module}`
      }),
    drop: (module, number) =>
      begin(sql, `take back a version of ${module}`, async (tx) => {
        await tx`
          delete from bulkhead.module_versions v where module = ${module} and number = ${number} and not exists (
            select from bulkhead.module_heads h where h.module = v.module and v.number in (h.current, h.waiting))`
      }),
    list: (module, query) =>
      selectSorted(sql, query, {
        what: 'list versions',
        columns: LISTED,
        from: sql`bulkhead.module_versions`,
        where: sql`and module = ${module}`,
        searched: ['version', 'hash', 'created_by', sql`origin::text`],
        key: [['number', 'integer']],
        sorts: { number: null, version: ['version', 'text'], createdBy: ['created_by', 'text'], codeBytes: ['code_bytes', 'integer'] } satisfies Sorts<(typeof VERSION_SORTS)[number]>,
        narrowing: 'leave the sort out',
      }),
    async find(module, by) {
      const which = 'hash' in by ? sql`hash = ${by.hash}` : 'below' in by ? sql`number < ${by.below}` : sql`number = ${by.number}`
      const [found] = await asked('read a version', () => sql<VersionRow[]>`
        select ${listed()} from bulkhead.module_versions where module = ${module} and ${which} order by number desc limit 1`)
      return found
    },
    async content(module, number) {
      const [found] = await asked('read a version', () => sql<VersionContent[]>`
        select number, hash, files, content, artifact, built_with as "builtWith" from bulkhead.module_versions
        where module = ${module} and number = ${number}`)
      return found
    },
  }
}

/** Under the lock of changes, which hosts that do the same wait for. */
async function begin<Result>(sql: Sql, what: string, work: (tx: TransactionSql) => Promise<Result>): Promise<Result> {
  try {
    return (await sql.begin(async (tx) => {
      await lockChanges(tx)
      return work(tx)
    })) as Result
  } catch (thrown) {
    throw storeFailed(what, thrown)
  }
}

async function keep(tx: TransactionSql, one: NewVersion): Promise<{ number: number; isNew: boolean }> {
  const [known] = await tx<Array<{ number: number }>>`
    select number from bulkhead.module_versions where module = ${one.module} and hash = ${one.hash}`
  if (known) return { number: known.number, isNew: false }
  const [made] = await tx<Array<{ number: number }>>`
    insert into bulkhead.module_versions
      (module, number, version, hash, manifest, files, content, artifact, code_bytes, built_with, origin, created_by)
    values (${one.module}, (select coalesce(max(number), 0) + 1 from bulkhead.module_versions where module = ${one.module}),
      ${one.version}, ${one.hash}, ${JSON.stringify(one.manifest)}::text::json, ${JSON.stringify(one.files)}::text::json,
      ${one.content}, ${one.artifact}, ${one.codeBytes}, ${one.builtWith}, ${JSON.stringify(one.origin)}::text::json, ${one.createdBy})
    returning number`
  return { number: made!.number, isNew: true }
}

async function put(tx: TransactionSql, module: string, change: HeadChange, by: string): Promise<void> {
  const [found] = await tx<Array<Required<HeadChange>>>`
    select installed, current, waiting, passed_over as "passedOver", pinned from bulkhead.module_heads where module = ${module}`
  const none = { installed: false, current: null, waiting: null, passedOver: null, pinned: false }
  const { installed, current, waiting, passedOver, pinned } = { ...none, ...found, ...change }
  await tx`
    insert into bulkhead.module_heads (module, installed, current, waiting, passed_over, pinned, revision, changed_by)
    values (${module}, ${installed}, ${current}, ${waiting}, ${passedOver}, ${pinned}, nextval('bulkhead.module_head_revisions'), ${by})
    on conflict (module) do update
    set installed = excluded.installed, current = excluded.current, waiting = excluded.waiting, passed_over = excluded.passed_over,
      pinned = excluded.pinned, revision = excluded.revision, changed_by = excluded.changed_by, changed_at = now()`
}

async function prune(tx: TransactionSql, module: string, most: number): Promise<string[]> {
  const dropped = await tx<Array<{ hash: string }>>`
    delete from bulkhead.module_versions v where module = ${module}
      and number not in (select number from bulkhead.module_versions where module = ${module} order by number desc limit ${most})
      and not exists (select from bulkhead.module_heads h where h.module = v.module and v.number in (h.current, h.waiting))
    returning hash`
  return dropped.map(({ hash }) => hash)
}

import { admit, type Node, Refused, type Rules } from './guard.ts'

/** The platform's own schema: what is refused of it is said in other words. */
const PLATFORM = 'bulkhead'

type Judge = (value: unknown, rules: Rules) => void

const anything: Judge = () => {}
/** An expression of a statement that may run: it stands there as what a SELECT asks for. */
const expression: Judge = (value, rules) => admitWithin({ targetList: [{ ResTarget: { val: value } }] }, rules)
const type: Judge = (value, rules) => expression({ TypeCast: { arg: { A_Const: { isnull: true } }, typeName: value } }, rules)
const query: Judge = (value, rules) => void admit([{ stmt: value as Node }], rules)
const each = (judge: Judge): Judge => (value, rules) => {
  for (const item of Array.isArray(value) ? value : [value]) judge(item, rules)
}

/** A table, view, index or sequence of the module's own, made to last. */
const relation: Judge = (value, rules) => {
  const { relpersistence = 'p', schemaname } = innerOf(value) as { relpersistence?: string; schemaname?: string }
  if (schemaname === PLATFORM) throw new Refused("the platform's tables are not for modules, and no foreign key may name them")
  if (relpersistence !== 'p') throw new Refused('temporary and unlogged tables are not for migrations')
  admitWithin({ targetList: [{ ResTarget: { val: { A_Const: { isnull: true } } } }], fromClause: [{ RangeVar: innerOf(value) }] }, rules)
}

/** A name with what it is qualified by, as `"schema"."table"."column"`, of which `own` words name the thing itself. */
const named = (own: number): Judge => (value, { schema }) => {
  const words = wordsOf(value)
  for (const qualifier of words.slice(0, -own)) {
    if (qualifier !== schema) throw new Refused(`the schema "${qualifier.slice(0, 100)}" is not this module's`)
  }
}

const oneOf = (what: string, ...words: string[]): Judge => (value) => {
  if (!words.includes(String(value))) throw new Refused(`${what} ${plain(String(value))} is not for migrations`)
}

/** A node by the name it stands under, with all that it may have. */
const node = (name: string): Judge => (value, rules) => {
  const [found = '', fields] = isNode(value) ? (Object.entries(value)[0] ?? []) : []
  if (found !== name || !isNode(fields)) throw new Refused(`${plain(found)} is not for migrations`)
  judgeFields(found, fields, rules)
}

const anyNode = (...names: string[]): Judge => (value, rules) => {
  const found = isNode(value) ? (Object.keys(value)[0] ?? '') : ''
  if (!names.includes(found)) throw new Refused(`${plain(found)} is not for migrations`)
  node(found)(value, rules)
}

const COMMENTED: Record<string, number> = {
  OBJECT_TABLE: 1, OBJECT_VIEW: 1, OBJECT_INDEX: 1, OBJECT_SEQUENCE: 1, OBJECT_COLUMN: 2, OBJECT_TABCONSTRAINT: 2, OBJECT_TYPE: 1,
}
const objects = (value: unknown, own: number, rules: Rules) => {
  for (const object of Array.isArray(value) ? value : [value]) named(own)(listOf(object), rules)
}

const CHANGES = [
  'AddColumn', 'DropColumn', 'ColumnDefault', 'SetNotNull', 'DropNotNull', 'AlterColumnType', 'SetExpression', 'DropExpression',
  'AddConstraint', 'AlterConstraint', 'ValidateConstraint', 'DropConstraint', 'AddIdentity', 'SetIdentity', 'DropIdentity',
]
const CONSTRAINTS = ['NULL', 'NOTNULL', 'DEFAULT', 'IDENTITY', 'GENERATED', 'CHECK', 'PRIMARY', 'UNIQUE', 'FOREIGN']

/** Of each node, all that it may have; whatever is not named here is refused, as are fields of later versions. */
const FIELDS: Record<string, Record<string, Judge>> = {
  CreateStmt: { relation, tableElts: each(anyNode('ColumnDef', 'Constraint', 'TableLikeClause')), oncommit: oneOf('ON COMMIT', 'ONCOMMIT_NOOP'), if_not_exists: anything },
  TableLikeClause: { relation, options: anything },
  ColumnDef: {
    colname: anything, typeName: type, is_local: anything, constraints: each(node('Constraint')), raw_default: expression,
    collClause: (value, rules) => expression({ CollateClause: { arg: { A_Const: { isnull: true } }, ...(value as object) } }, rules),
    is_not_null: anything, location: anything,
  },
  Constraint: {
    contype: oneOf('the constraint', ...CONSTRAINTS.map((name) => `CONSTR_${name}`), 'CONSTR_ATTR_DEFERRABLE', 'CONSTR_ATTR_NOT_DEFERRABLE', 'CONSTR_ATTR_DEFERRED', 'CONSTR_ATTR_IMMEDIATE'),
    conname: anything, raw_expr: expression, pktable: relation, pk_attrs: anything, fk_attrs: anything, fk_matchtype: anything,
    fk_upd_action: anything, fk_del_action: anything, fk_del_set_cols: anything, keys: anything, including: anything, nulls_not_distinct: anything,
    deferrable: anything, initdeferred: anything, skip_validation: anything, initially_valid: anything, is_enforced: anything, is_no_inherit: anything,
    generated_when: anything, generated_kind: anything, options: each(node('DefElem')), indexname: anything, location: anything,
  },
  DefElem: {
    defname: oneOf('the option', 'increment', 'minvalue', 'maxvalue', 'start', 'restart', 'cache', 'cycle', 'owned_by', 'as'),
    arg: (value, rules) => {
      const [kind = ''] = Object.keys(value as object)
      if (kind === 'List') return named(2)(listOf(value), rules)
      if (kind === 'TypeName') return type(innerOf(value), rules)
      oneOf('the option', 'Integer', 'Float', 'Boolean')(kind, rules)
    },
    defaction: anything, location: anything,
  },
  AlterTableStmt: { relation, cmds: each(node('AlterTableCmd')), objtype: oneOf('ALTER', 'OBJECT_TABLE', 'OBJECT_VIEW'), missing_ok: anything },
  AlterTableCmd: {
    subtype: oneOf('this change of a table,', ...CHANGES.map((name) => `AT_${name}`)), name: anything, behavior: anything, missing_ok: anything,
    def: (value, rules) => {
      const [kind = ''] = Object.keys(value as object)
      if (kind === 'ColumnDef' || kind === 'Constraint') return node(kind)(value, rules)
      if (kind === 'List') return each(node('DefElem'))((innerOf(value) as { items: unknown }).items, rules)
      expression(value, rules)
    },
  },
  IndexStmt: {
    idxname: anything, relation, indexParams: each(node('IndexElem')), indexIncludingParams: each(node('IndexElem')), whereClause: expression,
    accessMethod: oneOf('the index method', 'btree', 'hash', 'gin', 'gist', 'brin', 'spgist'),
    unique: anything, if_not_exists: anything, nulls_not_distinct: anything,
  },
  IndexElem: { name: anything, expr: expression, collation: qualified, opclass: qualified, ordering: anything, nulls_ordering: anything, location: anything },
  DropStmt: {
    removeType: oneOf('DROP', 'OBJECT_TABLE', 'OBJECT_INDEX', 'OBJECT_VIEW', 'OBJECT_SEQUENCE', 'OBJECT_TYPE'),
    objects: (value, rules) => objects(value, 1, rules), behavior: anything, missing_ok: anything,
  },
  TruncateStmt: { relations: each((value, rules) => relation(value, rules)), restart_seqs: anything, behavior: anything },
  ViewStmt: { view: relation, query, aliases: anything, replace: anything, withCheckOption: anything },
  CreateSeqStmt: { sequence: relation, options: each(node('DefElem')), if_not_exists: anything },
  AlterSeqStmt: { sequence: relation, options: each(node('DefElem')), missing_ok: anything },
  CreateEnumStmt: { typeName: named(1), vals: anything },
  AlterEnumStmt: { typeName: named(1), oldVal: anything, newVal: anything, newValNeighbor: anything, newValIsAfter: anything, skipIfNewValExists: anything },
  CommentStmt: { objtype: oneOf('COMMENT ON', ...Object.keys(COMMENTED)), object: anything, comment: anything },
  RenameStmt: {
    renameType: oneOf('RENAME', 'OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_INDEX', 'OBJECT_SEQUENCE', 'OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT', 'OBJECT_TYPE'),
    relationType: anything, relation, object: (value, rules) => objects(value, 1, rules), subname: anything, newname: anything, behavior: anything, missing_ok: anything,
  },
}

const DATA = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])
const STATEMENTS = new Set(Object.keys(FIELDS).filter((name) => name.endsWith('Stmt')))
const ALLOWED = 'tables, indexes, views, sequences, enum types and comments may be made, changed and dropped, and rows changed'

/**
 * Judges one statement of a migration.
 *
 * @throws Refused with what is not allowed
 */
export function admitMigration(statement: Node, rules: Rules): void {
  const [name = '', fields] = Object.entries(statement)[0] ?? []
  if (DATA.has(name)) return query(statement, rules)
  if (!STATEMENTS.has(name)) throw new Refused(`${plain(name)} is not for migrations: ${ALLOWED}`)
  judgeFields(name, fields as Node, rules)
  // What is commented on says how many words its name has.
  if (name === 'CommentStmt') {
    const { objtype, object } = fields as { objtype: string; object: unknown }
    objects(object, COMMENTED[objtype] ?? 1, rules)
  }
}

function judgeFields(name: string, fields: Node, rules: Rules): void {
  const known = FIELDS[name] ?? {}
  const unknown = Object.keys(fields).find((field) => !Object.hasOwn(known, field))
  if (unknown !== undefined) throw new Refused(`${plain(name)} with ${plain(unknown)} is not for migrations`)
  // In our order: what kind of thing it is comes before its name.
  for (const [field, judge] of Object.entries(known)) if (Object.hasOwn(fields, field)) judge(fields[field], rules)
}

function admitWithin(select: object, rules: Rules): void {
  admit([{ stmt: { SelectStmt: { ...select, limitOption: 'LIMIT_OPTION_DEFAULT', op: 'SETOP_NONE' } } }], rules)
}

/** What it is qualified by may be the system's own, as in `pg_catalog.text_pattern_ops`. */
function qualified(value: unknown, rules: Rules): void {
  const [first = '', ...rest] = wordsOf(value)
  if (rest.length > 0 && first !== 'pg_catalog') named(1)(value, rules)
}

/** The words of a name, whether it stands as a list, a type or alone. */
function listOf(value: unknown): unknown {
  const inner = innerOf(value) as { items?: unknown; names?: unknown }
  return inner.items ?? inner.names ?? value
}

function innerOf(value: unknown): object {
  const inner = isNode(value) ? Object.entries(value) : []
  const [first] = inner
  return inner.length === 1 && first && /^[A-Z]/.test(first[0]) ? (first[1] as object) : Object(value)
}

function wordsOf(list: unknown): string[] {
  if (!Array.isArray(list)) throw new Refused('this kind of name is not for migrations')
  return list.map((item: { String?: { sval?: string } }) => {
    if (item.String === undefined) throw new Refused('this kind of name is not for migrations')
    return item.String.sval ?? ''
  })
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `CreateTableAsStmt` as `CREATE TABLE AS`, `AT_ChangeOwner` as `CHANGE OWNER`. */
function plain(name: string): string {
  const bare = name.replace(/^(AT|OBJECT|CONSTR|ONCOMMIT)_/, '').replace(/Stmt$/, '')
  return bare.replaceAll(/(?<=[a-z])(?=[A-Z])|_/g, ' ').toUpperCase().slice(0, 100)
}

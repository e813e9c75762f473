import { FUNCTIONS, TYPES_REFUSED } from './functions.ts'

/** What a statement that may run does: whether rows come of it, and what it may do to tables. */
export interface Admitted {
  /** `delete` only takes away: a module over its quota may. */
  kind: 'read' | 'write' | 'delete'
  rows: boolean
}

export interface Rules {
  /** The one schema that may be named. */
  schema: string
  /** Functions of one argument that are not for modules: `(x).f` calls f where x has no field of that name. */
  projections: ReadonlySet<string>
}

export class Refused extends Error {}

/** A statement as PostgreSQL's parser describes it: `{ NameOfNode: { field: … } }`. */
export type Node = Readonly<Record<string, unknown>>

const STATEMENTS = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])

/** What statements may be made of; whatever is not named here is refused, as are nodes of later versions. */
const NODES = new Set([
  ...STATEMENTS,
  ...['A_ArrayExpr', 'A_Const', 'A_Expr', 'A_Indices', 'A_Indirection', 'A_Star', 'Alias', 'BitString', 'BoolExpr', 'Boolean'],
  ...['BooleanTest', 'CTECycleClause', 'CTESearchClause', 'CaseExpr', 'CaseWhen', 'CoalesceExpr', 'CollateClause', 'ColumnDef'],
  ...['ColumnRef', 'CommonTableExpr', 'Float', 'FuncCall', 'GroupingFunc', 'GroupingSet', 'IndexElem', 'Integer', 'JoinExpr'],
  ...['JsonArgument', 'JsonArrayAgg', 'JsonArrayConstructor', 'JsonArrayQueryConstructor', 'JsonBehavior', 'JsonFuncExpr'],
  ...['JsonIsPredicate', 'JsonKeyValue', 'JsonObjectAgg', 'JsonObjectConstructor', 'JsonOutput', 'JsonParseExpr', 'JsonScalarExpr'],
  ...['JsonSerializeExpr', 'JsonTable', 'JsonTableColumn', 'JsonTablePathSpec', 'JsonValueExpr', 'List', 'LockingClause'],
  ...['MergeSupportFunc', 'MergeWhenClause', 'MinMaxExpr', 'MultiAssignRef', 'NamedArgExpr', 'NullTest', 'ParamRef', 'RangeFunction'],
  ...['RangeSubselect', 'RangeVar', 'ResTarget', 'ReturningOption', 'RowExpr', 'SQLValueFunction', 'SetToDefault', 'SortBy'],
  ...['String', 'SubLink', 'TypeCast', 'TypeName', 'WindowDef'],
])

/** Statements by the words their authors know; the rest by their own name. */
const WORDS: Record<string, string> = {
  VariableSetStmt: 'SET or RESET',
  VariableShowStmt: 'SHOW',
  TransactionStmt: 'BEGIN, COMMIT or ROLLBACK (use ctx.db.begin)',
  DoStmt: 'DO',
  CopyStmt: 'COPY',
  CallStmt: 'CALL',
  ExplainStmt: 'EXPLAIN',
  PrepareStmt: 'PREPARE',
  ExecuteStmt: 'EXECUTE',
  DeclareCursorStmt: 'DECLARE CURSOR',
  ListenStmt: 'LISTEN',
  NotifyStmt: 'NOTIFY',
  LockStmt: 'LOCK',
  TruncateStmt: 'TRUNCATE',
  DiscardStmt: 'DISCARD',
}

/**
 * Judges a parsed text.
 *
 * @throws Refused with what is not allowed
 */
export function admit(statements: ReadonlyArray<{ stmt?: Node }>, rules: Rules): Admitted {
  const [only] = statements
  if (only?.stmt === undefined) throw new Refused('there is no statement in the text')
  if (statements.length > 1) throw new Refused(`one statement at a time, not ${statements.length}`)
  const [name = '', statement] = Object.entries(only.stmt)[0] ?? []
  if (!STATEMENTS.has(name)) throw new Refused(`${WORDS[name] ?? plain(name)} is not for modules: SELECT, INSERT, UPDATE, DELETE and MERGE are`)
  const nodes = check(only.stmt, rules)
  const writes = nodes.has('InsertStmt') || nodes.has('UpdateStmt') || nodes.has('MergeStmt')
  const kind = writes ? 'write' : nodes.has('DeleteStmt') ? 'delete' : 'read'
  return { kind, rows: name === 'SelectStmt' || (isNode(statement) && 'returningClause' in statement) }
}

/** Looks at every node, without recursion: how deep they lie is the module's choice. */
function check(root: Node, rules: Rules): Set<string> {
  const seen = new Set<string>()
  const waiting: Node[] = [root]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    checkPlain(node, rules)
    for (const [key, value] of Object.entries(node)) {
      // Names of nodes begin with a capital; those of fields do not.
      if (/^[A-Z]/.test(key)) {
        if (!NODES.has(key)) throw new Refused(`${WORDS[key] ?? plain(key)} is not for modules`)
        seen.add(key)
        checkNamed(key, value as Node, rules)
      }
      if (Array.isArray(value)) waiting.push(...value.filter(isNode))
      else if (isNode(value)) waiting.push(value)
    }
  }
  return seen
}

/** What stands in a field of its own type, without its name, is known by what it has. */
function checkPlain(node: Node, rules: Rules): void {
  if ('intoClause' in node) throw new Refused('SELECT INTO is not for modules')
  if (typeof node['relname'] === 'string') checkRelation(node, rules)
  if (Array.isArray(node['names'])) checkType(node['names'], rules)
}

function checkNamed(name: string, node: Node, rules: Rules): void {
  if (name === 'FuncCall') checkFunction(wordsOf(node['funcname']))
  else if (name === 'A_Expr') checkSchema(wordsOf(node['name']).slice(0, -1), rules)
  else if (name === 'SubLink') checkSchema(wordsOf(node['operName']).slice(0, -1), rules)
  else if (name === 'CollateClause') checkSchema(wordsOf(node['collname']).slice(0, -1), rules)
  else if (name === 'SortBy') checkSchema(wordsOf(node['useOp']).slice(0, -1), rules)
  else if (name === 'A_Indirection') checkFields(wordsOf(node['indirection']), rules)
  else if (name === 'ColumnRef') checkColumn(wordsOf(node['fields']), rules)
  else if (name === 'IndexElem' && (node['opclass'] !== undefined || node['collation'] !== undefined)) {
    checkSchema(wordsOf(node['opclass']).slice(0, -1), rules)
    checkSchema(wordsOf(node['collation']).slice(0, -1), rules)
  }
}

function checkRelation(node: Node, rules: Rules): void {
  const relation = String(node['relname'])
  if (node['catalogname'] !== undefined) throw new Refused(`other databases are not for modules, as in "${show(String(node['catalogname']))}"`)
  if (node['schemaname'] === undefined) {
    // The catalogs are on every search path, before all else.
    if (relation.startsWith('pg_')) throw new Refused(`the catalogs are not for modules, as in "${show(relation)}"`)
  } else if (node['schemaname'] !== rules.schema) {
    throw new Refused(`the schema "${show(String(node['schemaname']))}" is not this module's`)
  }
}

function checkFunction(names: string[]): void {
  const name = names.at(-1) ?? ''
  const [schema] = names
  if (names.length > 2 || (names.length === 2 && schema !== 'pg_catalog')) throw new Refused(`the function ${show(names.join('.'))} is not for modules`)
  if (!FUNCTIONS.has(name)) throw new Refused(`the function ${show(name)} is not for modules`)
}

function checkType(names: unknown[], rules: Rules): void {
  const words = wordsOf(names)
  const type = words.at(-1) ?? ''
  checkSchema(words.slice(0, -1), rules)
  if (TYPES_REFUSED.test(type) && words[0] !== rules.schema) throw new Refused(`the type ${show(type)} is not for modules`)
}

function checkColumn(fields: string[], rules: Rules): void {
  // schema.table.column: what it names is refused as a relation where it stands; here only a call can hide.
  if (fields.length > 1) checkFields(fields, rules)
}

function checkFields(fields: string[], { projections }: Rules): void {
  const call = fields.find((field) => projections.has(field))
  if (call !== undefined) throw new Refused(`the function ${show(call)} is not for modules`)
}

function checkSchema(qualifiers: string[], { schema }: Rules): void {
  for (const qualifier of qualifiers) {
    if (qualifier !== 'pg_catalog' && qualifier !== schema) throw new Refused(`the schema "${show(qualifier)}" is not this module's`)
  }
}

function wordsOf(list: unknown): string[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((item: { String?: { sval?: string } }) => (item.String === undefined ? [] : [item.String.sval ?? '']))
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `CreateTableAsStmt` as `CREATE TABLE AS`. */
function plain(node: string): string {
  return node.replace(/Stmt$/, '').replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toUpperCase()
}

function show(name: string): string {
  return name.slice(0, 100)
}

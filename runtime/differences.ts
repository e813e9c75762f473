import { pathText } from './faults.ts'
import { isData } from './module-config.ts'
import type { Path } from './yaml.ts'

/** One place in which two JSON values differ; a side that has nothing there is left out. */
export interface Difference {
  path: string
  before?: unknown
  after?: unknown
}

/**
 * Where two JSON values differ, mappings field by field, anything else as a whole.
 *
 * @example differences({ a: { b: 1 } }, { a: { b: 2 } }) // [{ path: 'a.b', before: 1, after: 2 }]
 */
export function differences(before: unknown, after: unknown, path: Path = []): Difference[] {
  if (isData(before) && isData(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    return [...names].toSorted().flatMap((name) => differences(before[name], after[name], [...path, name]))
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  return [{ path: pathText(path), ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }]
}

import { expect, test } from 'vitest'
import { type Node, planModules } from './graph.ts'

const node = (name: string, more: Partial<Node> = {}): Node => ({
  name, version: '1.0.0', dependencies: {}, requires: {}, provides: [], ...more,
})
const plan = (nodes: Node[], active?: string[]) => {
  const { order, faults } = planModules(nodes, '0.1.0', new Set(active))
  return { order, faults: Object.fromEntries([...faults].map(([name, { message }]) => [name, message])) }
}

test('what is needed comes first, and names decide between the rest', () => {
  expect(plan([node('c', { dependencies: { b: '^1.0.0' } }), node('d'), node('b', { requires: { time: '*' } }), node('z', { provides: ['time'] })])).toEqual({
    order: ['z', 'b', 'c', 'd'], faults: {},
  })
})

test('a missing dependency is told with the nearest name', () => {
  expect(plan([node('a', { dependencies: { loger: '*' } }), node('logger')]).faults).toEqual({
    a: 'cannot start a, it depends on loger, and there is no such module, did you mean "logger"?',
  })
})

test('a version out of range, of a module, a provider or Bulkhead itself, is told with both', () => {
  expect(plan([
    node('a', { dependencies: { b: '^2.0.0' } }), node('b', { provides: ['x'] }),
    node('c', { requires: { x: '>=3' } }), node('d', { requires: { core: '>=9.0.0' } }),
  ]).faults).toEqual({
    a: 'cannot start a, it depends on b ^2.0.0, and b is 1.0.0',
    c: 'cannot start c, it requires "x" >=3, and b, which provides it, is 1.0.0',
    d: 'cannot start d, it requires Bulkhead >=9.0.0, and this is 0.1.0',
  })
})

test('a cycle is told with its path to each of its members, and to nobody else', () => {
  const { faults } = plan([
    node('a', { dependencies: { b: '*' } }), node('b', { dependencies: { c: '*' } }), node('c', { dependencies: { a: '*' } }),
    node('outside', { dependencies: { a: '*' } }),
  ])
  expect(faults).toEqual(Object.fromEntries(['a', 'b', 'c'].map((name) => [name, `cannot start ${name}, it depends on itself: a → b → c → a`])))
})

test('a slot is held by the one that runs, or else by the first name', () => {
  const nodes = [node('a', { slot: 's' }), node('b', { slot: 's' }), node('c', { slot: 'other' })]
  expect(plan(nodes).faults).toEqual({ b: 'cannot start b, the slot "s" is held by a' })
  expect(plan(nodes, ['b']).faults).toEqual({ a: 'cannot start a, the slot "s" is held by b' })
})

test('two thousand modules in a chain are planned', () => {
  const nodes = Array.from({ length: 2_000 }, (_, n) => node(`m${n}`, n > 0 ? { dependencies: { [`m${n - 1}`]: '*' } } : {}))
  expect(plan(nodes).order).toEqual(nodes.map(({ name }) => name))
})

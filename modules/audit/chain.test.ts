import { describe, expect, it } from 'vitest'
import { BEGINNING, canonical, type Entry, inOrder, seal, verify } from './chain.ts'

const event = (n: number) => ({ at: '2026-01-01T10:00:00.000Z', hook: 'goal:created', event: `e${n}`, user: 'ann' })

function chain(length: number): Entry[] {
  const entries: Entry[] = []
  for (let n = 1; n <= length; n++) entries.push(seal(entries.at(-1), event(n), { goal: { id: `g${n}` } }))
  return entries
}

describe('seal', () => {
  it('begins with zeros and goes on with the hash before', () => {
    const [first, second] = chain(2)
    expect([first?.seq, first?.previous, second?.seq, second?.previous]).toEqual([1, BEGINNING, 2, first?.hash])
  })

  it.each<[what: string, said: object, about: object]>([
    ['ids of things', { agent: { id: 'a1', name: 'Ann' } }, { 'agent.id': 'a1' }],
    ['words, numbers and truth', { from: 'idle', amount: 3, dry: true }, { from: 'idle', amount: 3, dry: true }],
    ['nothing that every context has', { user: { id: 'x' }, requestId: 'r', emit: () => {}, config: {} }, {}],
    ['nothing that is nested without an id', { changes: { name: 'b' }, list: [1] }, {}],
    ['the beginning of a long text', { from: 'x'.repeat(300) }, { from: 'x'.repeat(200) }],
  ])('tells %s', (_what, said, about) => {
    expect(seal(undefined, event(1), said).about).toEqual(about)
  })

  it('has a digest of all that was said, whatever the order', () => {
    const [a, b, c] = [{ x: 1, y: { p: 1, q: 2 } }, { y: { q: 2, p: 1 }, x: 1 }, { x: 1, y: { p: 1, q: 3 } }].map((said) => seal(undefined, event(1), said).digest)
    expect([a === b, a === c]).toEqual([true, false])
  })
})

describe('verify', () => {
  const changed = (n: number, change: Partial<Entry>) => chain(4).map((entry) => (entry.seq === n ? { ...entry, ...change } : entry))
  const resealed = (): Entry[] => {
    const [first, ...rest] = chain(4)
    return [first as Entry, seal(first, { ...event(2), user: 'bob' }, {}), ...rest.slice(1)]
  }
  const head = chain(4).at(-1)

  it.each<[what: string, entries: Entry[], faults: string[]]>([
    ['a whole chain', chain(4), []],
    ['the end of a longer one', chain(4).slice(2), []],
    ['another user', changed(2, { user: 'bob' }), ['2: it was changed']],
    ['another fact', changed(3, { about: { 'goal.id': 'g9' } }), ['3: it was changed']],
    ['another hash', changed(2, { hash: BEGINNING }), ['2: it was changed', '3: it does not follow the one before it']],
    ['one that was made anew', resealed(), ['3: it does not follow the one before it']],
    ['one missing', chain(4).filter(({ seq }) => seq !== 2), ['2: it is missing']],
    ['two missing', chain(4).filter(({ seq }) => seq !== 2 && seq !== 3), ['2: it and those up to 3 are missing']],
    ['the last missing', chain(3), ['4: the last entry is not the one that was written last']],
    ['two of one number', [...chain(4).slice(0, 2), { ...seal(chain(1)[0], event(9), {}) }, ...chain(4).slice(2)], ['3: another has its number', '3: it does not follow the one before it']],
    ['none left', [], ['4: the last entry is not the one that was written last']],
    ['another beginning', [seal({ seq: 0, hash: 'f' } as Entry, event(1), {})], ['1: it is not the beginning', '4: the last entry is not the one that was written last']],
  ])('of %s', (_what, entries, faults) => {
    expect(verify(entries, head).map(({ seq, fault }) => `${seq}: ${fault}`)).toEqual(faults)
  })

  it('tells no more than twenty', () => {
    expect(verify(chain(30).map((entry) => ({ ...entry, user: 'bob' })), undefined)).toHaveLength(20)
  })
})

it('orders entries and drops what was written twice', () => {
  const [first, second] = chain(2) as [Entry, Entry]
  expect(inOrder([second, first, { ...second }]).map(({ seq }) => seq)).toEqual([1, 2])
})

it('writes the keys of objects in order, within lists too', () => {
  expect(canonical({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}')
})

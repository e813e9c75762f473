import { readFile } from 'node:fs/promises'
import { beforeAll, expect, test } from 'vitest'
import { type Differences, differencesOf, differencesText, reasonOf, surveyBoth, withDifferences } from './deno-table.ts'

let differences: Differences

beforeAll(async () => {
  differences = differencesOf(await surveyBoth())
}, 90_000)

test('every difference from Deno has a reason', () => {
  const { missing, extra, other } = differences
  expect([...missing, ...extra, ...other.map(({ name }) => name)].filter((name) => reasonOf(name) === undefined)).toEqual([])
})

test('nothing of the namespace is silently missing', () => {
  expect(differences.missing.filter((name) => /^Deno\.\w+$/.test(name))).toEqual([])
})

test('docs/deno.md lists the differences as they are; `node tests/deno-table.ts` writes it anew', async () => {
  const document = await readFile('docs/deno.md', 'utf8')
  expect(document).toBe(withDifferences(document, differencesText(differences)))
})

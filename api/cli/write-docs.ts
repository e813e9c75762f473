import { writeFile } from 'node:fs/promises'
import { operations } from '../operations/table.ts'
import { catalogueText } from './declaration.ts'

/** Writes what commands are made of, and then, by what was just written, their reference: `npm run docs`. */
await writeFile(new URL('catalogue.json', import.meta.url), catalogueText(operations))
const { referenceText } = await import('./reference.ts')
await writeFile(new URL('../../docs/cli.md', import.meta.url), await referenceText())

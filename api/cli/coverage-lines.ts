import type { FileSummary, Share } from '../../runtime/coverage/collect.ts'
import { plain } from './test-lines.ts'

const ALL = 'All files'

/** How much of each file ran, in the table of `deno test --coverage`; the folder that all are in is left out. */
export function coverageLines(files: readonly FileSummary[]): string {
  const root = commonFolder(files.map(({ file }) => file))
  const rows = files.map((summary) => ({ ...summary, file: plain(summary.file.slice(root.length)) }))
  const all = { file: ALL, lines: sumOf(rows, 'lines'), functions: sumOf(rows, 'functions'), branches: sumOf(rows, 'branches') }
  const width = Math.max(...[...rows, all].map(({ file }) => file.length))
  const line = ({ file, branches, functions, lines }: FileSummary) =>
    `| ${file.padEnd(width)} | ${percentOf(branches).padStart(8)} | ${percentOf(functions).padStart(10)} | ${percentOf(lines).padStart(6)} |\n`
  const head = `| ${'File'.padEnd(width)} | Branch % | Function % | Line % |\n| ${'-'.repeat(width)} | -------- | ---------- | ------ |\n`
  return `${head}${[...rows, all].map(line).join('')}`
}

/** @example commonFolder(['lib/a.ts', 'lib/b/c.ts']) // 'lib/' */
function commonFolder([first = '', ...files]: readonly string[]): string {
  let folder = first.slice(0, first.lastIndexOf('/') + 1)
  while (!files.every((file) => file.startsWith(folder))) folder = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1)
  return folder
}

function sumOf(rows: readonly FileSummary[], what: 'lines' | 'functions' | 'branches'): Share {
  return rows.reduce((sum, { [what]: { hit, found } }) => ({ hit: sum.hit + hit, found: sum.found + found }), { hit: 0, found: 0 })
}

/** Of nothing, all of it. */
function percentOf({ hit, found }: Share): string {
  return (found === 0 ? 100 : (hit / found) * 100).toFixed(1)
}

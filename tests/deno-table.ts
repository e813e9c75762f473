import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REASONS } from './deno-reasons.ts'

/** Each thing that was found, by its path, with its type. */
type Survey = Record<string, string>

const SURVEY = 'fixtures/deno/survey.ts'
const LAUNCHER = createRequire(import.meta.url).resolve('deno/bin.cjs')

/** What is missing here, what is here alone, and what is another kind of thing: the highest of what is missing whole. */
export interface Differences {
  compared: number
  equal: number
  missing: string[]
  extra: string[]
  other: Array<{ name: string; deno: string; here: string }>
}

/** Runs the survey in Deno and in an isolate. */
export async function surveyBoth(): Promise<{ deno: Survey; here: Survey }> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-survey-'))
  try {
    const env = { HOME: folder, DENO_DIR: join(folder, 'cache'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
    const deno = await surveyBy([LAUNCHER, 'run', '-A', '--no-remote', '--no-npm', '--unstable-kv', '--unstable-cron', SURVEY], env)
    const here = await surveyBy(['api/cli/bulkhead.ts', 'run', '-A', SURVEY], { PATH: process.env['PATH'] })
    return { deno, here }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}

function surveyBy(args: string[], env: NodeJS.ProcessEnv): Promise<Survey> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      const line = stdout.split('\n').find((one) => one.startsWith('survey '))
      if (line === undefined) reject(new Error(`no survey: ${error?.message ?? ''} ${stderr}`))
      else resolve(JSON.parse(line.slice('survey '.length)) as Survey)
    })
  })
}

export function differencesOf({ deno, here }: { deno: Survey; here: Survey }): Differences {
  const missing = Object.keys(deno).filter((name) => !Object.hasOwn(here, name))
  const extra = Object.keys(here).filter((name) => !Object.hasOwn(deno, name))
  const other = Object.entries(deno).flatMap(([name, type]) => {
    const own = here[name]
    return own === undefined || own === type ? [] : [{ name, deno: type, here: own }]
  })
  const compared = Object.keys(deno).length
  return { compared, equal: compared - missing.length - other.length, missing: highest(missing), extra: highest(extra), other }
}

/** Those whose holder is not among them as well. */
function highest(names: readonly string[]): string[] {
  const all = new Set(names)
  const isBelow = (name: string) => name.split('.').some((_, at, parts) => at > 0 && all.has(parts.slice(0, at).join('.')))
  return names.filter((name) => !isBelow(name)).toSorted()
}

export function reasonOf(name: string): string | undefined {
  return REASONS.find(([names]) => names.test(name))?.[1]
}

/** docs/deno.md from the line that says where the differences begin. */
export function differencesText({ compared, equal, missing, extra, other }: Differences): string {
  const lines = [
    ...missing.map((name) => ({ name, what: 'missing' })),
    ...extra.map((name) => ({ name, what: 'here alone' })),
    ...other.map(({ name, deno, here }) => ({ name, what: `${deno} in Deno, ${here} here` })),
  ]
  const byReason = new Map<string, string[]>()
  for (const { name, what } of lines) {
    const reason = reasonOf(name) ?? 'No reason is known'
    byReason.set(reason, [...(byReason.get(reason) ?? []), `\`${name}\`${what === 'missing' ? '' : ` (${what})`}`])
  }
  const sections = [...byReason].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([reason, names]) => `- **${reason}.** ${names.join(', ')}`)
  return `Of ${compared} globals and members of Deno's own, ${equal} are here and of the same type.\n\n${sections.join('\n')}\n`
}

export const MARK = '<!-- Below this line: written by `node tests/deno-table.ts`, checked by tests/deno-conformance.test.ts -->\n\n'

/** The document with the differences as they are now. */
export function withDifferences(document: string, text: string): string {
  return document.slice(0, document.indexOf(MARK) + MARK.length) + text
}

if (import.meta.main) {
  const { readFile } = await import('node:fs/promises')
  const file = 'docs/deno.md'
  await writeFile(file, withDifferences(await readFile(file, 'utf8'), differencesText(differencesOf(await surveyBoth()))))
}

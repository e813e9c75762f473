import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BulkheadError } from '../../bridge/errors.ts'
import { type Fixture, readFixtures } from '../../runtime/trials/fixtures.ts'
import { openStage } from '../../runtime/trials/stage.ts'
import { type Trial, tryFixture } from '../../runtime/trials/trial.ts'
import { EXIT } from './exit.ts'

export const HELP = `bulkhead modules:test-isolation: let modules misbehave beside a neighbour, and see whether anything gets out

Usage: bulkhead modules:test-isolation [NAME...]

  NAME   only the fixtures whose names contain this, such as memory or cpu-plain-loop

Each fixture is a module that loops, fills the memory, floods the host or looks for a way out. It runs in a cell with
a neighbour that is called every few milliseconds, in a runtime with a folder and a database of its own; no server has
to be running. The table tells what was tried, how it ended and after how long, whether the neighbour answered, and how
long it was silent at most; +cell where the cell had to be ended as well.

Exit codes: 0 nothing got out, 1 something did, 2 wrong usage
`

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures')
const silent = { debug() {}, info() {}, warn() {}, error() {} }

export async function testIsolation(args: string[]): Promise<number> {
  try {
    const fixtures = await chosen(args)
    let failed = 0
    let heldUpMs = 0
    process.stdout.write(line('fixture', 'ended', 'after', 'neighbour', 'silent', 'tried'))
    await using stage = await openStage(fixtures, join(FIXTURES, 'neighbour'), silent)
    for (const fixture of fixtures) {
      const trial = await tryFixture(stage, fixture)
      process.stdout.write(tell(trial))
      if (trial.faults.length > 0) failed++
      heldUpMs = Math.max(heldUpMs, trial.hostDelayMs)
    }
    process.stdout.write(`\n${fixtures.length - failed} of ${fixtures.length} contained; the host's event loop was held up for ${heldUpMs} ms at most\n`)
    return failed > 0 ? EXIT.failed : EXIT.ok
  } catch (thrown) {
    if (!(thrown instanceof BulkheadError)) throw thrown
    process.stderr.write(`bulkhead: ${thrown.message}\n`)
    return thrown.code === 'BAD_REQUEST' ? EXIT.usage : EXIT.failed
  }
}

async function chosen(args: string[]): Promise<Fixture[]> {
  const names = readArguments(args)
  const fixtures = await readFixtures(FIXTURES)
  const matching = fixtures.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)))
  if (matching.length > 0) return matching
  throw new BulkheadError('BAD_REQUEST', `cannot test the isolation, no fixture is called ${names.map((name) => `"${name.slice(0, 100)}"`).join(' or ')}`)
}

function readArguments(args: string[]): string[] {
  try {
    return parseArgs({ args, allowPositionals: true }).positionals
  } catch (thrown) {
    throw new BulkheadError('BAD_REQUEST', `cannot test the isolation, ${(thrown as Error).message}; see bulkhead modules:test-isolation --help`)
  }
}

function tell({ fixture, end, afterMs, neighbour, cellsLost, faults }: Trial): string {
  const { answered, failed, silentMs } = neighbour
  const answers = answered === 0 ? 'silent' : failed > 0 ? `${answered} (${failed} lost)` : `${answered}`
  const ended = cellsLost > 0 ? `${end} +cell` : end
  const row = line(fixture.name, ended, `${afterMs} ms`, answers, `${silentMs} ms`, fixture.manifest.description)
  return row + faults.map((fault) => `  FAULT ${fault}\n`).join('')
}

function line(name: string, end: string, after: string, neighbour: string, silent: string, tried: string): string {
  return `${name.padEnd(32)} ${end.padEnd(19)} ${after.padStart(8)}  ${neighbour.padEnd(16)} ${silent.padStart(8)}  ${tried}\n`
}

import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completionScript, type Shell } from './completion.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'completion-'))
  for (const shell of ['bash', 'zsh', 'fish'] as const) await writeFile(join(folder, `script.${shell}`), completionScript(shell))
  // Stands for the command, which the script asks for the names of modules.
  await writeFile(join(folder, 'bulkhead'), '#!/bin/sh\n[ "$1" = modules:list ] && printf "pii-filter\\nparser\\n"\n')
  await chmod(join(folder, 'bulkhead'), 0o755)
  await writeFile(join(folder, 'some file.json'), '')
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

const has = (shell: Shell) => spawnSync(shell, ['-c', ':']).error === undefined

function run(shell: Shell, args: string[], script: string): string[] {
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}`, TERM: 'dumb', HOME: folder }
  return execFileSync(shell, [...args, script], { cwd: folder, env, encoding: 'utf8' }).split('\n').filter(Boolean)
}

/** As readline asks: it hands over the line and takes what is after a colon for a word of its own. */
const inBash = (line: string) =>
  run('bash', ['--norc', '-c'], `source script.bash; complete -p bulkhead >/dev/null || exit 1; COMP_LINE=$'${line.replaceAll("'", "\\'")}'; COMP_POINT=\${#COMP_LINE}; _bulkhead; printf '%s\\n' "\${COMPREPLY[@]}"`)
const inFish = (line: string) => run('fish', ['--no-config', '-c'], `source script.fish; complete -C '${line}'`).map((one) => one.split('\t')[0] ?? '')

// After the last colon of what is typed, as bash has it.
const EXPECTED: ReadonlyArray<readonly [line: string, bash: string[]]> = [
  ['bulkhead modules:relo', ['reload']],
  ['bulkhead sta', ['start']],
  ['bulkhead modules:get p', ['pii-filter', 'parser']],
  ['bulkhead logs:list --module pa', ['parser']],
  ['bulkhead modules:list --ord', ['--order']],
  ['bulkhead modules:list --order ', ['asc', 'desc']],
  ['bulkhead modules:get pii-filter --format y', ['yaml']],
  ['bulkhead config:set pii-filter --scope c', ['class']],
  ['bulkhead cli:completion f', ['fish']],
  ['bulkhead module:create x --type d', ['daemon']],
]

test.runIf(has('bash'))('bash completes commands, flags, their words, and modules of the server', () => {
  for (const [line, expected] of EXPECTED) expect([line, inBash(line)]).toEqual([line, expected])
  expect(inBash('bulkhead modules:list --output some')).toEqual(['some file.json'])
  expect(inBash('bulkhead mo').length).toBeGreaterThan(10)
  expect(inBash('bulkhead nothing:at-all ')).toEqual([])
})

test.runIf(has('fish'))('fish completes the same', () => {
  const whole = (line: string, word: string) => (/\S*:$/.exec(line.slice(0, line.lastIndexOf(':') + 1).split(' ').at(-1) ?? '') && line.endsWith('relo') ? `modules:${word}` : word)
  for (const [line, expected] of EXPECTED) expect([line, inFish(line).toSorted()]).toEqual([line, expected.map((word) => whole(line, word)).toSorted()])
})

test.runIf(has('zsh'))('zsh takes the script', () => {
  expect(run('zsh', ['-f', '-c'], 'autoload -U compinit && compinit -D && source script.zsh && print -r -- ${_comps[bulkhead]}')).toEqual(['_bulkhead'])
})

test.skipIf(has('zsh') && has('fish'))(`not tried, as it is not installed: ${(['zsh', 'fish'] as const).filter((shell) => !has(shell)).join(', ')}`, () => {})

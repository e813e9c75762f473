import { execFile } from 'node:child_process'
import { glob, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesOf, isTemplate, TEMPLATES } from '../api/cli/module-templates.ts'
import type { HookName } from '../sdk/hooks.ts'
import { HOOKS } from '../runtime/hooks.ts'

const launcher = createRequire(import.meta.url).resolve('deno/bin.cjs')
const manifests = await Array.fromAsync(glob('modules/*/module.yaml'))
const folders = ['sdk', ...manifests.map(dirname)].toSorted()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-deno-'))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

/** Runs the real Deno, with an empty cache and nothing to download from. */
async function deno(...args: string[]): Promise<{ code: number; output: string }> {
  const env = { HOME: folder, DENO_DIR: join(folder, 'cache'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
  return new Promise((done) => {
    execFile(process.execPath, [launcher, ...args], { env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      done({ code: error ? 1 : 0, output: stdout + stderr })
    })
  })
}

const offline = ['--no-remote', '--no-npm']

test('the SDK and every module pass the checks of Deno', async () => {
  expect(await deno('check', ...offline, ...(await Promise.all(folders.map(sourcesIn))).flat())).toMatchObject({ code: 0 })
})

test('each has tests, which pass under Deno', async () => {
  const { code, output } = await deno('test', ...offline, ...folders)
  for (const path of folders) expect(output).toMatch(new RegExp(`running [1-9]\\d* tests? from \\./${path}/`))
  expect(output).toContain('| 0 failed')
  expect(code).toBe(0)
})

/** All but what is written for another runner. */
async function sourcesIn(path: string): Promise<string[]> {
  const names = await readdir(path)
  return names.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts')).map((name) => `${path}/${name}`)
}

test('so has a new module of each type', async () => {
  const created = Object.keys(TEMPLATES).filter(isTemplate)
  for (const type of created) {
    await mkdir(join(folder, type))
    for (const [file, text] of Object.entries(filesOf(type, type, type))) await writeFile(join(folder, type, file), text)
  }
  const { code, output } = await deno('test', ...offline, '--config', 'deno.json', ...created.map((type) => join(folder, type)))
  expect(output).toMatch(/ok \| \d+ passed/)
  expect(code).toBe(0)
})

test('a module that reads its context and its state without asking is accepted by a compiler that is not strict', async () => {
  await writeFile(join(folder, 'index.ts'), UNGUARDED)
  const config = { imports: { '@bulkhead/sdk': resolve('sdk/index.ts') }, compilerOptions: { strict: false } }
  await writeFile(join(folder, 'deno.json'), JSON.stringify(config))
  expect(await deno('check', ...offline, '--config', join(folder, 'deno.json'), join(folder, 'index.ts'))).toMatchObject({ code: 0 })
})

const UNGUARDED = `
import { defineModule, HookContext, HookResult } from '@bulkhead/sdk'

export default defineModule({
  async onLoad(config) {
    console.log('configured with', config)
  },
  async onUnload() {
    console.log('leaving')
  },
  async handle(hook: string, ctx: HookContext): Promise<HookResult> {
    const { sensitivity, customPatterns } = this.config
    ctx.log.debug('handling', { sensitivity, customPatterns })
    switch (hook) {
      case 'chat:before_ai':
        return this.handleBeforeAI(ctx)
      case 'chat:after_ai':
        return this.handleAfterAI(ctx)
      case 'session:end':
        return this.handleSessionEnd(ctx)
      default:
        return { action: 'continue' }
    }
  },
  async handleBeforeAI(ctx: HookContext): Promise<HookResult> {
    const issues = this.detectIssues(ctx.message.content)
    if (issues.length === 0) return { action: 'continue' }
    ctx.emit('issues_detected', { messageId: ctx.message.id, issues })
    if (issues.some((issue) => issue.severity === 'critical')) {
      return { action: 'block', reason: 'content_violation', directResponse: 'Not that.' }
    }
    return { action: 'continue', modifications: { message: { ...ctx.message, content: this.sanitize(ctx.message.content) } } }
  },
  async handleAfterAI(ctx: HookContext): Promise<HookResult> {
    return { action: 'continue', modifications: { response: this.sanitize(ctx.response) } }
  },
  async handleSessionEnd(ctx: HookContext): Promise<HookResult> {
    ctx.emit('session_analysis', await this.analyzeSession(ctx.session.id))
    return { action: 'continue' }
  },
  detectIssues(text: string) {
    const issues = []
    if (text.includes('!')) issues.push({ severity: 'low' })
    return issues
  },
  sanitize(text: string) {
    return text.replaceAll('!', '.')
  },
  async analyzeSession(sessionId: string) {
    const patterns = this.state.get(sessionId) || []
    this.state.delete(sessionId)
    return { messageCount: patterns.length }
  },
})
`

test('every built-in hook has a type for its context', () => {
  const typed: Record<HookName, true> = {
    'chat:on_message': true,
    'chat:before_ai': true,
    'chat:after_ai': true,
    'session:start': true,
    'session:end': true,
    'product:before_ai': true,
    'product:after_ai': true,
    'run:complete': true,
    'server:started': true,
    'agent:created': true,
    'agent:updated': true,
    'agent:deleted': true,
    'agent:heartbeat': true,
    'agent:status_changed': true,
    'issue:created': true,
    'issue:status_changed': true,
    'issue:assigned': true,
    'goal:created': true,
    'goal:completed': true,
    'budget:spend_recorded': true,
    'budget:threshold_crossed': true,
  }
  expect(Object.keys(typed).toSorted()).toEqual(Object.keys(HOOKS).toSorted())
})

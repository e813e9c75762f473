import type { GuestError } from '../contract.ts'
import { describeError } from '../errors.guest.ts'
import type { TestOutcome, TestPlan } from './test-report.ts'

/**
 * `Deno.test` as a module's tests use it. It is bundled in front of them and is in no other isolate. Its sanitizers
 * have nothing to do here: what a test leaves behind ends with its execution.
 */
interface Definition {
  name: string
  fn: (t: TestContext) => unknown
  ignore?: boolean
  only?: boolean
}

interface TestContext {
  name: string
  origin: string
  parent?: TestContext
  step(...args: unknown[]): Promise<boolean>
}

type Hook = 'beforeAll' | 'beforeEach' | 'afterEach' | 'afterAll'

const tests: Array<Definition & { stack: string }> = []
const hooks: Record<Hook, Array<() => unknown>> = { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] }

const register = (more: Partial<Definition>) =>
  function test(...args: unknown[]): void {
    tests.push({ ...readDefinition(args), ...more, stack: new Error('declared').stack ?? '' })
  }
const test = Object.assign(register({}), { ignore: register({ ignore: true }), only: register({ only: true }) })
for (const hook of Object.keys(hooks) as Hook[]) {
  Object.assign(test, { [hook]: (fn: () => unknown) => void hooks[hook].push(fn) })
}
for (const name of ['sanitizer', 'each']) {
  Object.assign(test, {
    [name]() {
      throw new Error(`cannot use Deno.test.${name}, it is not supported here`)
    },
  })
}
const { Deno } = globalThis as unknown as { Deno: Record<string, unknown> }
Deno['test'] = test
// As under `deno test`: one test's exit would be the end of all.
Deno['exit'] = (code?: number) => {
  throw new Error(`Test case attempted to exit with exit code: ${code ?? 0}`)
}

/** What stands in the place of a test file's namespace: a service for the one who runs the tests. */
export function wrap(): { default: object } {
  const service = {
    plan: (): TestPlan => ({
      tests: tests.map(({ name, ignore = false, only = false, stack }) => ({ name, ignore, only, stack })),
    }),
    begin: () => callAll(hooks.beforeAll),
    run: (index: number) => runTest(tests[index] as Definition),
    end: () => callAll(hooks.afterAll.toReversed()),
  }
  return { default: { getService: () => service } }
}

async function runTest(definition: Definition): Promise<TestOutcome> {
  const outcome = await run(definition, undefined, async (t) => {
    await callAll(hooks.beforeEach)
    try {
      await definition.fn(t)
    } finally {
      await callAll(hooks.afterEach.toReversed())
    }
  })
  return outcome
}

async function run({ name, ignore }: Definition, parent: TestContext | undefined, body: (t: TestContext) => unknown): Promise<TestOutcome> {
  const outcome: TestOutcome = { name, status: 'ignored', ms: 0, steps: [] }
  if (ignore) return outcome
  const unfinished = new Set<string>()
  let over = false
  const context: TestContext = {
    name,
    origin: 'file:///',
    ...(parent && { parent }),
    async step(...args) {
      const definition = readDefinition(args)
      if (over) throw new Error('cannot begin a step, the test has ended')
      unfinished.add(definition.name)
      const step = await run(definition, context, definition.fn)
      unfinished.delete(definition.name)
      if (!over) outcome.steps.push(step)
      return step.status === 'ok'
    },
  }
  const startedAt = Date.now()
  try {
    await body(context)
    over = true
    for (const name of unfinished) outcome.steps.push(incomplete(name))
    outcome.status = outcome.steps.some(({ status }) => status === 'failed') ? 'failed' : 'ok'
  } catch (thrown) {
    outcome.status = 'failed'
    outcome.error = JSON.parse(describeError(thrown)) as GuestError
  }
  outcome.ms = Date.now() - startedAt
  return outcome
}

function incomplete(name: string): TestOutcome {
  const message = "Didn't complete before parent. Await step with `await t.step(...)`."
  return { name, status: 'failed', ms: 0, error: { name: '', message, stack: '' }, steps: [] }
}

/** Whether nothing was granted that `permissions: 'none'` would take away. */
function hasNone(): boolean {
  const { env, permissions } = Deno as unknown as { env: { toObject(): object }; permissions: { querySync(of: object): { state: string } } }
  return Object.keys(env.toObject()).length === 0 && permissions.querySync({ name: 'net' }).state !== 'granted'
}

async function callAll(callbacks: Array<() => unknown>): Promise<null> {
  for (const callback of callbacks) await callback()
  return null
}

/** Name, options and function, in any of the orders in which they may be given. */
function readDefinition(args: unknown[]): Definition {
  const definition: Partial<Definition> = {}
  for (const arg of args) {
    if (typeof arg === 'string') definition.name = arg
    else if (typeof arg === 'function') definition.fn = arg as Definition['fn']
    else Object.assign(definition, arg)
  }
  const { name = definition.fn?.name, fn } = definition
  if (typeof fn !== 'function') throw new TypeError('cannot declare the test, it has no function')
  if (typeof name !== 'string' || name === '') throw new TypeError('cannot declare the test, it has no name')
  const { permissions = 'inherit' } = definition as { permissions?: unknown }
  if (permissions !== 'inherit' && !(permissions === 'none' && hasNone())) {
    throw new TypeError('cannot declare the test, it has permissions of its own, which are for the command line')
  }
  return { ...definition, name, fn }
}

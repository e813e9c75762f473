import { type Data, defineModule, type FromSchema, type HookContext, type LoadedModule } from '@bulkhead/sdk'
import { assertEquals, createMockContext } from '@bulkhead/sdk/testing'

/** Compiles only where the two types are the same. */
function sameType<A, B>(..._same: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]): void {}

Deno.test('a module holds its configuration, and a Map for its state', () => {
  const module = defineModule({ config: { word: 'please' } })
  assertEquals(module.config, { word: 'please' })
  assertEquals(module.state, new Map())
  sameType<LoadedModule<{ word: string }>['config'], typeof module.config>()
})

Deno.test('every function is called with the module as this', () => {
  const module = defineModule({
    config: { step: 2 },
    state: new Map([['count', 1]]),
    add(times: number) {
      this.state.set('count', (this.state.get('count') ?? 0) + times * this.config.step)
    },
    hooks: {
      'session:end'() {
        this.add(1)
      },
    },
    jobs: {
      daily(_powers) {
        this.add(10)
      },
    },
    topics: {
      more(_message, _powers) {
        this.add(100)
      },
    },
  })
  const { hooks, jobs, topics } = module
  const context = createMockContext({ config: module.config })
  hooks['session:end']()
  jobs.daily(context)
  topics.more({ v: 1, id: 'm1', topic: 'more', from: 'a', at: '2026-01-01T00:00:00Z', data: null }, context)
  assertEquals(module.state.get('count'), 1 + 2 + 20 + 200)
})

Deno.test('the definition itself is left as it was', () => {
  const definition = { hooks: { 'session:end': () => {} } }
  const { hooks } = definition
  const module = defineModule(definition)
  assertEquals(definition.hooks === hooks && module.hooks !== hooks, true)
})

Deno.test('each hook has a context of its own type', () => {
  defineModule({
    hooks: {
      'chat:before_ai'({ message, response }) {
        sameType<string, typeof message.content>()
        sameType<string | undefined, typeof response>()
      },
      'chat:after_ai': ({ response }) => sameType<string, typeof response>(),
      'product:after_ai': ({ input, output, run }) => sameType<[Data, Data, string], [typeof input, typeof output, typeof run.id]>(),
      'session:start': ({ session }) => sameType<Date, typeof session.startedAt>(),
      'budget:threshold_crossed': ({ percent }) => sameType<number, typeof percent>(),
      // @ts-expect-error: there is no such hook
      'chat:befor_ai': () => {},
    },
    handle: (_hook, ctx: HookContext) => ctx.log.info('handled'),
  })
})

Deno.test('this knows the configuration, the state and the other functions', () => {
  defineModule({
    config: { kinds: ['email'] as Array<'email' | 'phone'>, limit: 3 },
    state: new Map<string, { seen: number }>(),
    onLoad(config) {
      sameType<number, typeof config.limit>()
    },
    helper: (text: string) => text.length,
    handle() {
      sameType<Array<'email' | 'phone'>, typeof this.config.kinds>()
      sameType<{ seen: number } | undefined, ReturnType<typeof this.state.get>>()
      sameType<number, ReturnType<typeof this.helper>>()
      // @ts-expect-error: there is no such setting
      void this.config.limits
    },
    hooks: {
      'chat:before_ai'({ config }) {
        sameType<number, typeof config.limit>()
      },
    },
    jobs: {
      tidy({ config }) {
        sameType<number, typeof config.limit>()
      },
    },
  })
})

Deno.test('functions see each other, also where they do not say what they return', () => {
  const module = defineModule({
    config: { strict: true },
    mask: (text: string) => '*'.repeat(text.length),
    isStrict(): boolean {
      return this.config.strict
    },
    handle(_hook, ctx) {
      return { action: this.isStrict() ? 'block' : 'skip', directResponse: this.mask(ctx.user.name) }
    },
    hooks: {
      'chat:before_ai'(ctx) {
        return { action: 'block', reason: this.mask(ctx.message.content) }
      },
    },
  })
  sameType<string, ReturnType<typeof module.mask>>()
  assertEquals([module.mask('abc'), module.isStrict()], ['***', true])
})

Deno.test('a verdict has one of three actions', () => {
  // @ts-expect-error: "stop" is none of them
  defineModule({ handle: () => ({ action: 'stop' }) })
  // @ts-expect-error: nor in hooks
  defineModule({ hooks: { 'chat:before_ai': () => ({ action: 'stop' }) } })
})

Deno.test('a schema written as a literal has a type', () => {
  sameType<FromSchema<{ type: 'array'; items: { enum: ['a', 1] } }>, Array<'a' | 1>>()
  sameType<FromSchema<{ type: ['string', 'null'] }>, string | null>()
  sameType<FromSchema<{ oneOf: [{ const: true }, { type: 'integer' }] }>, number | true>()
  sameType<FromSchema<{ description: 'anything' }>, unknown>()
  sameType<
    FromSchema<{
      type: 'object'
      required: ['name']
      properties: { name: { type: 'string' }; size: { type: 'number'; default: 1 }; note: { type: 'string' } }
    }>,
    { name: string; size: number; note?: string }
  >()
})

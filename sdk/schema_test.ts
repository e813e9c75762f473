import { configFrom, defineModule } from '@bulkhead/sdk'
import { assertEquals } from '@bulkhead/sdk/testing'

Deno.test('a configuration has the defaults of its schema', () => {
  const config = configFrom({
    type: 'object',
    properties: {
      enabled: { type: 'boolean', default: false },
      mask: { enum: ['asterisks', 'removed'], default: 'removed' },
      key: { type: 'string' },
      limits: { type: 'object', default: {}, properties: { size: { type: 'integer', default: 7 } } },
      absent: { type: 'object', properties: { size: { type: 'integer', default: 7 } } },
    },
  })
  assertEquals<unknown>(config, { enabled: false, mask: 'removed', limits: { size: 7 } })
  const mask: 'asterisks' | 'removed' = config.mask
  const key: string | undefined = config.key
  assertEquals([mask, key], ['removed', undefined])
})

Deno.test('two configurations of one schema are apart', () => {
  const schema = { type: 'object', properties: { kinds: { type: 'array', default: ['a'] } } } as const
  const [one, other] = [configFrom(schema), configFrom(schema)]
  ;(one.kinds as string[]).push('b')
  assertEquals<unknown>(other, { kinds: ['a'] })
})

Deno.test('this.config has the type of the schema', () => {
  const module = defineModule({
    config: configFrom({ type: 'object', properties: { threshold: { type: 'integer', default: 3 } } }),
    double() {
      return this.config.threshold * 2
    },
  })
  assertEquals(module.double(), 6)
})

Deno.test('a schema without properties has no values', () => {
  assertEquals(configFrom({ type: 'object' }), {})
})

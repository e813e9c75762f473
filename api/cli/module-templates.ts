import type { Manifest } from '../../runtime/manifest.ts'

/** What a new module of one type begins with. */
interface Template {
  about: string
  description: string
  /** What its manifest says besides name, version, description and type. */
  manifest: string
  code: string
  test: string
  readme: string
}

const EXTENSION: Template = {
  about: 'answers hooks: sees messages, changes them, blocks them',
  description: 'Masks a word in messages on their way to the model',
  manifest: `
hooks: [chat:before_ai]
failure: { chat:before_ai: open }
permissions: [emit]
limits: { maxMemoryMB: 64, maxCpuMs: 200, maxExecutionMs: 2000 }

config:
  type: object
  additionalProperties: false
  properties:
    word: { type: string, minLength: 1, default: secret, description: The word to mask }
`,
  code: `import { defineModule } from '@bulkhead/sdk'

export default defineModule({
  config: { word: 'secret' },
  hooks: {
    'chat:before_ai'(ctx) {
      const { word } = this.config
      const parts = ctx.message.content.split(word)
      if (parts.length === 1) return
      ctx.emit('word_masked', { times: parts.length - 1 })
      return {
        action: 'continue',
        modifications: { message: { ...ctx.message, content: parts.join('*'.repeat(word.length)) } },
      }
    },
  },
})
`,
  test: `import { assertEquals, testModule } from '@bulkhead/sdk/testing'
import module from './index.ts'

const message = (content: string) => ({ id: 'm1', role: 'user' as const, content, seq: 1 })

Deno.test('the word is masked, and how often is recorded', async () => {
  const { result, extractions } = await testModule(module, 'chat:before_ai', { message: message('a secret, a secret') })
  assertEquals(result.modifications?.message?.content, 'a ******, a ******')
  assertEquals(extractions, [{ type: 'word_masked', data: { times: 2 } }])
})

Deno.test('other messages pass unchanged', async () => {
  const { result } = await testModule(module, 'chat:before_ai', { message: message('hello') })
  assertEquals(result, { action: 'continue' })
})

Deno.test('the word is a matter of configuration', async () => {
  const { result } = await testModule(module, 'chat:before_ai', { message: message('hello') }, { word: 'hell' })
  assertEquals(result.modifications?.message?.content, '****o')
})
`,
  readme: `Masks a word in messages on their way to the model, and records how often it did.

| setting | means | default |
|---|---|---|
| \`word\` | the word to mask | \`secret\` |`,
}

const SERVICE: Template = {
  about: 'offers functions to other modules',
  description: 'Counts words for other modules',
  manifest: `
limits: { maxMemoryMB: 64, maxCpuMs: 200, maxExecutionMs: 2000 }
`,
  code: `import { defineModule } from '@bulkhead/sdk'

export default defineModule({
  getService() {
    return { countWords }
  },
})

function countWords(text: string): number {
  return text.split(/\\s+/).filter(Boolean).length
}
`,
  test: `import { assertEquals } from '@bulkhead/sdk/testing'
import module from './index.ts'

const { countWords } = module.getService()

Deno.test('words are counted', () => {
  assertEquals(countWords('two  words'), 2)
})

Deno.test('an empty text has none', () => {
  assertEquals(countWords(' '), 0)
})
`,
  readme: `Offers to other modules:

| function | does |
|---|---|
| \`countWords(text)\` | answers with the number of words |`,
}

const DAEMON: Template = {
  about: 'is kept running, and does something from time to time',
  description: 'Tells each minute how long it has been running',
  manifest: `
intervals: { beat: { everyMs: 60000 } }
permissions: [log]
limits: { maxMemoryMB: 64, maxCpuMs: 200, maxExecutionMs: 2000 }
`,
  code: `import { defineModule } from '@bulkhead/sdk'

export default defineModule({
  state: new Map<string, number>(),
  start(): void {
    this.state.set('startedAt', Date.now())
  },
  stop(): void {
    this.state.delete('startedAt')
  },
  isRunning(): boolean {
    return this.state.has('startedAt')
  },
  jobs: {
    beat({ log }): void {
      const startedAt = this.state.get('startedAt')
      if (startedAt !== undefined) log.info('still running', { seconds: Math.round((Date.now() - startedAt) / 1000) })
    },
  },
})
`,
  test: `import { assertEquals, createMockContext } from '@bulkhead/sdk/testing'
import module from './index.ts'

Deno.test('it runs from start to stop', () => {
  module.start()
  assertEquals(module.isRunning(), true)
  module.stop()
  assertEquals(module.isRunning(), false)
})

Deno.test('a beat tells of it while it runs', () => {
  const powers = createMockContext()
  module.jobs.beat(powers)
  module.start()
  module.jobs.beat(powers)
  assertEquals(powers._logs, [{ level: 'info', message: 'still running', data: { seconds: 0 } }])
})
`,
  readme: 'Writes a line to its log each minute, with the seconds since it was started.',
}

const PLUGIN: Template = {
  about: 'provides something that others require, loaded on first use',
  description: 'Formats JSON',
  manifest: `
provides: json-format
limits: { maxMemoryMB: 64, maxCpuMs: 200, maxExecutionMs: 2000 }
`,
  code: `import { defineModule } from '@bulkhead/sdk'

export default defineModule({
  getService() {
    return { format }
  },
})

function format(text: string): string {
  return JSON.stringify(JSON.parse(text), null, 2)
}
`,
  test: `import { assertEquals, assertThrows } from '@bulkhead/sdk/testing'
import module from './index.ts'

const { format } = module.getService()

Deno.test('JSON is indented', () => {
  assertEquals(format('{"a":1}'), '{\\n  "a": 1\\n}')
})

Deno.test('what is no JSON is refused', () => {
  assertThrows(() => format('{'))
})
`,
  readme: `Provides \`json-format\`, to modules that require it:

| function | does |
|---|---|
| \`format(text)\` | answers with the JSON text, indented by two spaces |`,
}

export const TEMPLATES: Readonly<Record<Manifest['type'], Template>> = {
  extension: EXTENSION,
  service: SERVICE,
  daemon: DAEMON,
  plugin: PLUGIN,
}

export function isTemplate(type: string): type is keyof typeof TEMPLATES {
  return Object.hasOwn(TEMPLATES, type)
}

/** The files of a new module, by name. */
export function filesOf(type: keyof typeof TEMPLATES, name: string, folder: string): Record<string, string> {
  const { description, manifest, code, test, readme } = TEMPLATES[type]
  return {
    'module.yaml': `name: ${name}\nversion: 0.1.0\ndescription: ${description}\ntype: ${type}\n${manifest}`,
    'index.ts': code,
    'index_test.ts': test,
    'README.md': `# ${name}

${readme}

\`\`\`sh
npx bulkhead module:validate ${folder}
npx bulkhead module:test ${folder}
\`\`\`
`,
  }
}

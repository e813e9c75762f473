import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import type { ToldFault } from './faults.ts'
import { hookSettings, parseManifest, readManifest } from './manifest.ts'
import { NOT_YET } from './unsupported.ts'

const FILE = 'modules/x/module.yaml'
const HEAD = 'name: x\nversion: 1.0.0\ndescription: An example\n'

function refusal(text: string): BulkheadError {
  try {
    parseManifest(text, FILE)
  } catch (thrown) {
    if (thrown instanceof BulkheadError && thrown.code === 'MANIFEST_INVALID') return thrown
    throw thrown
  }
  throw new Error('the manifest was accepted')
}

/** The faults of a manifest of three good lines and these, as `line:column path: message`. */
function faultsOf(rest: string): string[] {
  return refusal(HEAD + rest).message.split('\n').map((line) => line.replace(`${FILE}:`, ''))
}

describe('a manifest', () => {
  test('is filled with every default', () => {
    expect(parseManifest(HEAD, FILE)).toEqual({
      name: 'x',
      version: '1.0.0',
      description: 'An example',
      type: 'extension',
      tags: [],
      dependencies: {},
      requires: {},
      provides: [],
      isolation: 'shared',
      context: 'lasting',
      subscribe: [],
      intervals: {},
      schedules: {},
      hooks: [],
      priorities: {},
      blocking: {},
      timeouts: {},
      failure: {},
      defaults: {},
      scope: { allowGlobal: true, allowGroup: true, allowClass: true, allowTool: true },
      permissions: [],
      limits: { maxMemoryMB: 64, maxExecutionMs: 5000, maxCpuMs: 1000, maxConcurrency: 8 },
    })
  })

  test('may leave any scope out, but not all of them', () => {
    const rest = 'allowGroup: false, allowClass: false, allowTool: false'
    expect(parseManifest(`${HEAD}scope: { ${rest} }`, FILE).scope).toEqual({ allowGlobal: true, allowGroup: false, allowClass: false, allowTool: false })
    expect(faultsOf(`scope: { allowGlobal: false, ${rest} }`)).toEqual(['4:8 scope: leaves no scope in which the module could be switched on'])
  })

  test('keeps all that it says', () => {
    const manifest = parseManifest(
      `
name: pii-filter
version: 2.1.0-rc.1+build.5
description: >
  Redacts what identifies
  a person
displayName: PII filter 🔒
author: Zoë
license: MIT
repository: https://example.org/pii-filter
icon: shield-check
tags: [safety, privacy]
type: extension
hooks: [chat:before_ai, chat:on_message]
priorities: { chat:before_ai: 5 }
blocking: { chat:on_message: true }
timeouts: { chat:before_ai: 250 }
failure: { chat:before_ai: closed }
permissions: [emit, log]
limits: { maxMemoryMB: 8, maxExecutionMs: 600000 }
config: { type: object, properties: { kinds: { type: array, items: { type: string } } } }
defaults: { kinds: [email] }
`,
      FILE,
    )
    expect(manifest).toMatchObject({
      displayName: 'PII filter 🔒',
      description: 'Redacts what identifies a person\n',
      defaults: { kinds: ['email'] },
      limits: { maxMemoryMB: 8, maxExecutionMs: 600_000, maxCpuMs: 1000 },
    })
    expect(hookSettings(manifest, 'chat:before_ai')).toEqual({
      name: 'chat:before_ai',
      priority: 5,
      blocking: true,
      timeoutMs: 250,
      failure: 'closed',
    })
    expect(hookSettings(manifest, 'chat:on_message')).toEqual({
      name: 'chat:on_message',
      priority: 50,
      blocking: true,
      timeoutMs: 600_000,
      failure: 'open',
    })
  })

  test('cannot be changed, at any depth', () => {
    const manifest = parseManifest(`${HEAD}defaults: {}\nconfig: { type: object, properties: { a: {} } }`, FILE)
    expect(Object.isFrozen(manifest)).toBe(true)
    expect(Object.isFrozen(manifest.limits)).toBe(true)
    expect(Object.isFrozen(manifest.hooks)).toBe(true)
    expect(Object.isFrozen(manifest.config?.['properties'])).toBe(true)
  })

  test('shares no default with another', () => {
    expect(parseManifest(HEAD, FILE).limits).not.toBe(parseManifest(HEAD, FILE).limits)
  })
})

describe('faults', () => {
  test('are told all at once, each with its place, value and the nearest word', () => {
    const error = refusal(
      [
        'name: PII',
        'version: 1.0',
        'hooks:',
        '  - chat:before_ai',
        '  - chat:befor_ai',
        'priorities: { chat:before_ai: 0, chat:after_ai: 5 }',
        'permissons: [emit]',
        'limits: { maxMemory: 64 }',
      ].join('\n'),
    )
    expect(error.message.split('\n')).toEqual([
      'modules/x/module.yaml:1:1 description: is missing',
      'modules/x/module.yaml:1:7 name: must be lower-case letters, digits and "-", a letter first, at most 63, not "PII"',
      'modules/x/module.yaml:2:10 version: must be a semantic version such as "1.0.0", not 1',
      'modules/x/module.yaml:5:5 hooks[1]: unknown hook "chat:befor_ai", did you mean "chat:before_ai"?',
      'modules/x/module.yaml:6:31 priorities["chat:before_ai"]: must be from 1 to 100, not 0',
      'modules/x/module.yaml:6:34 priorities["chat:after_ai"]: "chat:after_ai" is not among the module\'s hooks',
      'modules/x/module.yaml:7:1 permissons: unknown field, did you mean "permissions"?',
      'modules/x/module.yaml:8:11 limits.maxMemory: unknown field, did you mean "maxMemoryMB"?',
    ])
    expect((error.details as ToldFault[])[3]).toEqual({
      file: FILE,
      line: 5,
      column: 5,
      path: 'hooks[1]',
      value: 'chat:befor_ai',
      message: 'unknown hook "chat:befor_ai", did you mean "chat:before_ai"?',
    })
  })

  test.each([
    ['hooks: [chat:before_ai, chat:before_ai]', '4:25 hooks[1]: "chat:before_ai" is listed twice'],
    ['hooks: chat:before_ai', '4:8 hooks: must be a list, not "chat:before_ai"'],
    ['hooks: [7]', '4:9 hooks[0]: must be text, not 7'],
    ['hooks:', '4:7 hooks: must be a list, not null'],
    [
      'failure: { chat:befor_ai: open }',
      '4:12 failure["chat:befor_ai"]: unknown hook "chat:befor_ai", did you mean "chat:before_ai"?',
    ],
    [
      'hooks: [run:complete]\nfailure: { run:complete: close }',
      '5:26 failure["run:complete"]: unknown policy "close", did you mean "closed"?',
    ],
    [
      'hooks: [run:complete]\nblocking: { run:complete: yes }',
      '5:27 blocking["run:complete"]: must be true or false, not "yes"',
    ],
    [
      'hooks: [run:complete]\ntimeouts: { run:complete: 5001 }',
      '5:27 timeouts["run:complete"]: must be at most limits.maxExecutionMs, which is 5000, not 5001',
    ],
    ['type: deamon', '4:7 type: unknown type "deamon", did you mean "daemon"?'],
    ['context: frsh', '4:10 context: unknown context "frsh", did you mean "fresh"?'],
    ...['daemon', 'service'].map((type) => [
      `type: ${type}\ncontext: fresh`,
      `5:10 context: cannot be fresh where the type is "${type}": it goes on between executions, and nothing of a fresh context does; extensions and plugins may have it`,
    ]),
    ['dependencies: { x: ">=what" }', '4:20 dependencies.x: must be a version range such as "^1.0.0", not ">=what"'],
    ['dependencies: [A]', '4:16 dependencies[0]: must be a name of lower-case letters, digits and "-", not "A"'],
    ['intervals: { a: { everyMs: 99 } }', '4:28 intervals.a.everyMs: must be from 100 to 86400000, not 99'],
    ['icon: "shield check"', '4:7 icon: must be the name of an icon such as "shield", not "shield check"'],
    ['repository: javascript:alert(1)', '4:13 repository: must be an http(s) address, not "javascript:alert(1)"'],
    ['displayName: "a\\nb"', '4:14 displayName: must be one line of text, not "a\\nb"'],
    ['displayName: ""', '4:14 displayName: must not be empty'],
    ['tags: [Safety]', '4:8 tags[0]: must be lower-case letters, digits and "-", at most 63, not "Safety"'],
    ['permissions: [events:emit]', '4:15 permissions[0]: "events:emit" is called "emit" here'],
    ['permissions: [emit, emit]', '4:21 permissions[1]: "emit" is listed twice'],
    ['limits: { maxCpuMs: 1.5 }', '4:21 limits.maxCpuMs: must be a whole number, not 1.5'],
    ['defaults: { a: 1 }', '4:1 defaults: needs the schema of the configuration, as config'],
  ])('%s', (rest, fault) => {
    expect(faultsOf(rest)).toEqual([fault])
  })

  test.each([
    ['maxMemoryMB', 8, 1024],
    ['maxExecutionMs', 1, 600_000],
    ['maxCpuMs', 1, 600_000],
    ['maxConcurrency', 1, 1000],
  ])('limits.%s goes from %d to %d', (limit, low, high) => {
    for (const value of [low, high]) {
      expect(parseManifest(`${HEAD}limits: { ${limit}: ${value} }`, FILE).limits).toHaveProperty(limit, value)
    }
    for (const value of [low - 1, high + 1]) {
      expect(faultsOf(`limits: { ${limit}: ${value} }`)).toEqual([
        `4:${13 + limit.length} limits.${limit}: must be from ${low} to ${high}, not ${value}`,
      ])
    }
  })

  test('a name has 63 characters at most, a version 64', () => {
    const named = (name: string, version: string) => `name: ${name}\nversion: ${version}\ndescription: d`
    expect(parseManifest(named('x'.repeat(63), `1.0.0-${'a'.repeat(58)}`), FILE).name).toHaveLength(63)
    expect(refusal(named('x'.repeat(64), `1.0.0-${'a'.repeat(59)}`)).details).toHaveLength(2)
  })

  const versions = ['1.0.0', '0.0.1', '10.20.30', '1.0.0-alpha.1', '1.0.0-0a', '1.0.0+exp.sha.5114']
  test.each(versions)('%s is a version', (version) => {
    expect(parseManifest(HEAD.replace('1.0.0', version), FILE).version).toBe(version)
  })

  test.each(['v1.0.0', '1.0', '01.0.0', '1.0.0-01', '1.0.0-', '1.0.0+', '1.0.0.0'])('%s is no version', (version) => {
    expect(refusal(HEAD.replace('1.0.0', `"${version}"`)).message).toContain('2:10 version: must be a semantic version')
  })

  test('values are shortened, and what hides or reverses text is escaped', () => {
    const error = refusal(`${HEAD}icon: "${'é'.repeat(500)}"\ntags: ["\u202Eevil"]`)
    const [icon, tag] = error.details as ToldFault[]
    expect(icon?.value).toHaveLength(80)
    expect(icon?.message.length).toBeLessThan(200)
    expect(tag?.message).toContain('not "\\u202eevil"')
  })

  test('no more than 50 are told', () => {
    const unknown = Array.from({ length: 60 }, (_, index) => `field${index}zzz: 1`).join('\n')
    expect(refusal(HEAD + unknown).details).toHaveLength(50)
  })
})

describe('what nothing gives effect to yet is refused, not ignored', () => {
  test.each(NOT_YET.fields)('%s', (field) => {
    expect(faultsOf(`${field}: {}`)).toEqual([`4:1 ${field}: not supported yet`])
  })
  test.each(NOT_YET.permissions)('permission %s', (permission) => {
    const fault = `4:15 permissions[0]: "${permission}" is not supported yet`
    expect(faultsOf(`permissions: ["${permission}"]`)).toEqual([fault])
  })
  test('a misspelt one is named', () => {
    expect(faultsOf('dependancies: {}')).toEqual(['4:1 dependancies: unknown field, did you mean "dependencies"?'])
  })
})

describe('YAML', () => {
  test.each([
    ['tags: [', '4:8 Flow sequence'],
    ['"a\\qb": 1', '4:3 there is no such escape sequence in double quotes'],
    ['---\nname: y', '4:1 the file must hold one document, there is a second one here'],
    ['description: again', '4:1 description: the field is given twice'],
    ['tags: &t [a]', '4:10 tags: anchors (&) are not supported'],
    ['tags: *t', '4:7 '],
    ['author: !!binary aGk=', '4:18 author: tags (!) are not supported'],
    ['author: !js hello', '4:13 author: tags (!) are not supported'],
    ['<<: { author: me }', '4:1 ["<<"]: merge keys (<<) are not supported, write the fields out'],
    ['__proto__: { author: me }', '4:1 __proto__: a field cannot have this name'],
    ['constructor: { prototype: {} }', '4:1 constructor: a field cannot have this name'],
    ['1: one', '4:1 a field name must be text, without tag or anchor'],
    ['? [a]\n: b', '4:3 a field name must be text, without tag or anchor'],
    ['limits: { maxCpuMs: .inf }', '4:21 limits.maxCpuMs: must be a finite number'],
  ])('%s', (rest, fault) => {
    expect(faultsOf(rest)[0]).toContain(fault)
  })

  test.each([
    ['', 'the file is empty'],
    ['# nothing\n', 'the file is empty'],
    ['[a, b]', 'must be a mapping of fields, not ["a","b"]'],
    ['hello', 'must be a mapping of fields, not "hello"'],
    ['null', 'must be a mapping of fields, not null'],
    ['%YAML 1.1\n---\nname: x', 'directives (%) are not supported'],
    ['%FOO bar\n---\nname: x', 'directives (%) are not supported'],
  ])('%j is no manifest', (text, message) => {
    expect(refusal(text).message).toBe(`${FILE}:1:1 ${message}`)
  })

  test('a byte order mark moves no position', () => {
    expect(refusal(`\uFEFF${HEAD}tag: [a]`).message).toBe(`${FILE}:4:1 tag: unknown field, did you mean "tags"?`)
    expect(parseManifest(`\uFEFF${HEAD}`, FILE).name).toBe('x')
  })

  test('a file has at most 64 KB', () => {
    const padded = (bytes: number) => `${HEAD}#`.padEnd(bytes, 'x')
    expect(parseManifest(padded(65_536), FILE).name).toBe('x')
    expect(refusal(padded(65_537)).message).toBe(`${FILE}:1:1 the file is too large, the limit is 65536 bytes`)
  })

  test('values are nested at most 32 levels deep', () => {
    const head = `${HEAD}config: { type: object }\ndefaults: `
    const nested = (levels: number) => `${head}${'{a: '.repeat(levels)}1${'}'.repeat(levels)}`
    expect(parseManifest(nested(31), FILE).name).toBe('x')
    expect(refusal(nested(32)).message).toMatch(/nested too deeply, the limit is 32 levels$/)
    expect(refusal(`${HEAD}tags: ${'['.repeat(60_000)}`).message).toContain('nested too deeply')
  })

  test('aliases that multiply cost nothing', () => {
    const lines = Array.from({ length: 20 }, (_, level) => `a${level}: &a${level} [${`*a${level - 1}, `.repeat(9)}]`)
    expect(refusal(lines.join('\n').replaceAll('*a-1', 'x')).message).toContain('anchors (&) are not supported')
  })
})

describe('a folder', () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'bulkhead-manifest-'))
  })
  afterAll(() => rm(root, { recursive: true }))

  test('is read', async () => {
    await mkdir(join(root, 'good'))
    await writeFile(join(root, 'good/module.yaml'), HEAD)
    expect(await readManifest(join(root, 'good'))).toMatchObject({ name: 'x' })
  })

  test('without a manifest is refused, with the file that was probably meant', async () => {
    await mkdir(join(root, 'misnamed'))
    await writeFile(join(root, 'misnamed/module.yml'), HEAD)
    await expect(readManifest(join(root, 'misnamed'))).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: `${join(root, 'misnamed/module.yaml')}:1:1 "module.yaml" does not exist, did you mean "module.yml"?`,
    })
    await expect(readManifest(join(root, 'absent'))).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: `${join(root, 'absent/module.yaml')}:1:1 the folder does not exist`,
    })
  })

  test('whose manifest is a link to elsewhere, a folder or no text is refused', async () => {
    for (const name of ['linked', 'nested/module.yaml', 'binary']) await mkdir(join(root, name), { recursive: true })
    await symlink('/etc/hostname', join(root, 'linked/module.yaml'))
    await writeFile(join(root, 'binary/module.yaml'), Buffer.from([0x6e, 0xff, 0xfe]))
    const code = 'MANIFEST_INVALID'
    await expect(readManifest(join(root, 'linked'))).rejects.toMatchObject({ code, message: /leads out of/ })
    await expect(readManifest(join(root, 'nested'))).rejects.toMatchObject({ code, message: /is a folder/ })
    await expect(readManifest(join(root, 'binary'))).rejects.toMatchObject({ code, message: /is not UTF-8 text/ })
  })
})

import { expect, test } from 'vitest'
import { readScriptFlags } from './script-flags.ts'

const ENVIRONMENT = { ONE: '1', TWO: '2' }
const read = (...args: string[]) => readScriptFlags(args, ['config', 'filter', 'fail-fast'], ENVIRONMENT, 'first')

test('what follows the file is its own', () => {
  expect(read('--allow-env=ONE', 'a.ts', '--allow-net', '-x').rest).toEqual(['a.ts', '--allow-net', '-x'])
  expect(read('--', '--a.ts').rest).toEqual(['--a.ts'])
  expect(readScriptFlags(['a', '--fail-fast', 'b'], ['fail-fast'], {}, 'never').rest).toEqual(['a', 'b'])
})

test('nothing is granted unless it is said', () => {
  expect(read('a.ts').grants).toEqual({ permissions: ['log', 'kv'], env: {}, allEnv: false, read: false })
})

test('variables are granted by name or all, and denied over that', () => {
  expect(read('--allow-env=ONE,NONE', 'a.ts').grants).toMatchObject({ env: { ONE: '1' }, allEnv: false })
  expect(read('-A', 'a.ts').grants).toMatchObject({ env: ENVIRONMENT, allEnv: true, read: true })
  expect(read('-A', '--deny-env=TWO', '--deny-read', 'a.ts').grants).toMatchObject({ env: { ONE: '1' }, allEnv: false, read: false })
  expect(read('-E', '--deny-env', 'a.ts').grants.env).toEqual({})
})

test('hosts are granted in the one spelling that grants have', () => {
  const hosts = (...args: string[]) => read(...args, 'a.ts').grants.permissions.filter((permission) => permission.startsWith('net:'))
  expect(hosts('--allow-net=Example.ORG:8080,*.example.com')).toEqual(['net:example.org:8080', 'net:*.example.com'])
  expect(hosts('-N')).toEqual(['net:*', 'net:localhost', 'net:127.0.0.1', 'net:[::1]'])
  expect(hosts('-A', '--deny-net')).toEqual([])
  expect(hosts('--allow-net=a.example,b.example', '--deny-net=a.example')).toEqual(['net:b.example'])
  expect(() => hosts('--allow-net=http://a.example')).toThrow('is no host')
  expect(() => hosts('--allow-net', '--deny-net=example.org')).toThrow('name those that are allowed')
})

test('values may stand behind their option, and letters beside each other', () => {
  expect(read('--filter', 'name', '--config=a/deno.json', 'a.ts').flags).toMatchObject({ filter: 'name', config: 'a/deno.json' })
  expect(read('-RE=ONE', 'a.ts').grants).toMatchObject({ read: true, env: { ONE: '1' } })
})

test('what cannot be given effect to is refused by name, and so is what there is none of', () => {
  for (const option of ['--inspect', '--inspect-brk=127.0.0.1:9229', '--coverage=dir', '--watch', '--allow-run', '--allow-ffi=x', '--parallel']) {
    expect(() => read(option, 'a.ts'), option).toThrow(`${option.split('=')[0]} cannot be given, `)
  }
  for (const option of ['--alow-net', '-Z', '--input=1']) expect(() => read(option, 'a.ts'), option).toThrow('there is no option')
  expect(() => read('--filter')).toThrow('--filter needs a value')
})

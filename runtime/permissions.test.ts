import { expect, test } from 'vitest'
import { permissionProblem } from './permissions.ts'

test.each(['emit', 'log', 'env:REGION', 'env:_A1', 'net:api.example.org', 'net:api.example.org:8443', 'net:*.example.org', 'net:*', 'net:127.0.0.1:80', 'net:[2001:db8::1]:8080', 'net:localhost'])('%s can be asked for', (permission) => {
  expect(permissionProblem(permission)).toBeUndefined()
})

test.each([
  ['extractions:write', '"extractions:write" is called "emit" here'],
  ['events:emit', '"events:emit" is called "emit" here'],
  ['db:read', '"db" takes no argument, not "db:read"'],
  ['net', '"net" needs an argument, as in "net:…"'],
  ['net:API.example.org', '"net:API.example.org" is written "net:api.example.org"'],
  ['net:example.org.', '"net:example.org." is written "net:example.org"'],
  ['net:2130706433', '"net:2130706433" is written "net:127.0.0.1"'],
  ['net:0x7f.1:080', '"net:0x7f.1:080" is written "net:127.0.0.1:80"'],
  ['net:[::FFFF:127.0.0.1]', '"net:[::FFFF:127.0.0.1]" is written "net:[::ffff:7f00:1]"'],
  ['net:example.org:0', '"net:example.org:0" has a port that is not from 1 to 65535'],
  ['net:example.org:70000', '"net:example.org:70000" has a port that is not from 1 to 65535'],
  ['net:*.org', '"net:*.org" has a wildcard above a name that is too short, as in "net:*.example.org"'],
  ['net:https://example.org', '"net:https://example.org" names no host, as in "net:api.example.org", "net:*.example.org" or "net:[2001:db8::1]:8080"'],
  ['net:user@example.org', '"net:user@example.org" names no host, as in "net:api.example.org", "net:*.example.org" or "net:[2001:db8::1]:8080"'],
  ['env', '"env" needs an argument, as in "env:…"'],
  ['env:region', '"env:region" names no variable, as in "env:API_KEY"'],
  ['env:*', '"env:*" names no variable, as in "env:API_KEY"'],
  ['extractions:read:all', 'unknown permission "extractions:read:all"'],
  ['sessions:read', '"sessions:read" is not supported yet'],
  ['emitt', 'unknown permission "emitt", did you mean "emit"?'],
  ['constructor', 'unknown permission "constructor"'],
  ['sessions:write', 'unknown permission "sessions:write"'],
  ['emit:all', '"emit" takes no argument, not "emit:all"'],
  ['Emit', 'must be a capability such as "emit" or "name:argument", not "Emit"'],
  ['emit log', 'must be a capability such as "emit" or "name:argument", not "emit log"'],
  ['net:', 'must be a capability such as "emit" or "name:argument", not "net:"'],
  ['', 'must be a capability such as "emit" or "name:argument", not ""'],
])('%j is refused', (permission, problem) => {
  expect(permissionProblem(permission)).toBe(problem)
})

test('an argument has at most 200 characters', () => {
  expect(permissionProblem(`topic:${'x'.repeat(200)}`)).toBeUndefined()
  expect(permissionProblem(`topic:${'x'.repeat(201)}`)).toMatch(/^must be a capability/)
})

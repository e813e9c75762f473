import { describe, expect, it } from 'vitest'
import { checkEncoding, methodsOf, routeFault } from './routes.ts'

const routes = [
  { method: 'GET', path: '/v1/modules' },
  { method: 'GET', path: '/v1/modules/:name' },
  { method: 'POST', path: '/v1/modules/:name/reload' },
  { method: 'POST', path: '/v1/hooks/:hook' },
  { method: 'GET', path: '/healthz' },
]

describe('a request that no route takes', () => {
  it.each([
    ['/v1/module', '/v1/modules'],
    ['/v1/modules/', '/v1/modules'],
    ['/modules', '/v1/modules'],
    ['/v1/modules/pii-filter/relaod', '/v1/modules/pii-filter/reload'],
    ['/hooks/chat:before_ai', '/v1/hooks/chat:before_ai'],
    ['/health', '/healthz'],
  ])('to %s is told of %s', (path, guess) => {
    const fault = routeFault('GET', path, routes)
    expect(fault.code).toBe('NOT_FOUND')
    expect(fault.message).toBe(`no route ${path}, did you mean "${guess}"?`)
  })

  it('is told of nothing where nothing is near, and of no more than the beginning of its path', () => {
    expect(routeFault('GET', '/admin.php', routes).message).toBe(
      'no route /admin.php, those of the API begin with /v1/',
    )
    expect(routeFault('GET', '/v1/admin', routes).message).toBe('no route /v1/admin')
    expect(routeFault('GET', `/${'x'.repeat(5000)}`, routes).message.length).toBeLessThan(250)
  })

  it('with the wrong method is told the right ones', () => {
    expect(routeFault('DELETE', '/v1/modules/x', routes)).toMatchObject({
      code: 'METHOD_NOT_ALLOWED',
      message: 'DELETE is not for /v1/modules/x, send GET',
      details: { allow: ['GET', 'HEAD', 'OPTIONS'] },
    })
    expect(methodsOf('/v1/hooks/x', routes)).toEqual(['POST', 'OPTIONS'])
    expect(methodsOf('/v1/hooks/', routes)).toEqual([])
    expect(methodsOf('/v1/modules/:name', routes)).toEqual(['GET', 'HEAD', 'OPTIONS'])
  })
})

describe('the encoding of a path', () => {
  it.each(['/v1/modules/a', '/v1/modules/a%2Db', '/v1/modules/%C3%BC%20%25zz', '/v1/modules/%00', '/v1/modules/%2F', ''])('of %s is good', (path) => {
    expect(() => checkEncoding(path)).not.toThrow()
  })

  it.each([
    ['/v1/modules/a%zz/reload', '%zz'],
    ['/v1/modules/a%', '%'],
    ['/v1/modules/a%2/reload', '%2'],
    ['/v1/modules/%ff', '%ff'],
    ['/v1/modules/%C3', '%C3'],
    ['/v1/modules/%ED%A0%80', '%ED%A0%80'],
    [`/v1/modules/${'%ff'.repeat(1000)}`, '%ff'.repeat(10)],
  ])('of %s is refused', (path, shown) => {
    expect(() => checkEncoding(path)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST', message: `cannot read the path, "${shown}" in it is no percent-encoded UTF-8; a percent sign is "%25"` }))
  })
})

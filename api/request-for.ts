/** What a request is made from: an operation, or what the command line knows of one. */
interface Asked {
  method: string
  path: string
  body?: string | undefined
}

/**
 * The request that asks for an operation with a given input, path and query encoded.
 *
 * @example requestFor(get, { name: 'pii-filter' }) // { method: 'GET', path: '/v1/modules/pii-filter' }
 */
export function requestFor<Method extends string>(
  { method, path, body }: Asked & { method: Method },
  input: Readonly<Record<string, unknown>>,
): { method: Method; path: string; body?: unknown } {
  const rest = new Map(Object.entries(input))
  const take = (name: string): unknown => {
    const value = rest.get(name)
    rest.delete(name)
    return value
  }
  // A colon is allowed in a path as it is, and hook names have one.
  const encoded = (value: unknown) => encodeURIComponent(String(value)).replaceAll('%3A', ':')
  const filled = path.replace(/:(\w+)/g, (_, name: string) => encoded(take(name)))
  const whole = body === undefined ? undefined : take(body)
  const pairs = [...rest].flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]))
  const query = new URLSearchParams(pairs).toString()
  return { method, path: query === '' ? filled : `${filled}?${query}`, ...(whole !== undefined && { body: whole }) }
}

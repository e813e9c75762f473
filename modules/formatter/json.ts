/**
 * Lays JSON out anew, every level on lines of its own. Only spaces between its parts change: numbers keep all their
 * digits, keys their order and their doubles.
 *
 * @throws SyntaxError where the text is no JSON
 * @example formatJson('{"a":[1.0,2]}', 2)
 */
export function formatJson(text: string, indent: number): string {
  JSON.parse(text)
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []
  let depth = 0
  let out = ''
  const line = () => '\n' + ' '.repeat(indent * depth)
  for (const [n, token] of tokens.entries()) {
    const next = tokens[n + 1]
    if (token === '{' || token === '[') {
      const isEmpty = next === '}' || next === ']'
      depth++
      out += token + (isEmpty ? '' : line())
    } else if (token === '}' || token === ']') {
      depth--
      const wasEmpty = tokens[n - 1] === '{' || tokens[n - 1] === '['
      out += (wasEmpty ? '' : line()) + token
    } else if (token === ',') out += token + line()
    else if (token === ':') out += token + ' '
    else out += token
  }
  return out
}

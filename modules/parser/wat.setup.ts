/**
 * The binary of a module in the part of WebAssembly's text format that scanner.wat uses: one exported memory, exported
 * functions of i32, and instructions one after the other.
 */
export function assemble(text: string): Uint8Array {
  const source = text.replaceAll(/;;.*/g, '').match(/[()]|"[^"]*"|[^\s()"]+/g) ?? []
  let at = 0
  const next = () => source[at++] as string
  const expect = (...tokens: string[]) => {
    for (const token of tokens) if (next() !== token) throw new Error(`cannot assemble, expected ${token} before ${source.slice(at, at + 5).join(' ')}`)
  }

  expect('(', 'module', '(', 'memory', '(', 'export')
  const memory = JSON.parse(next()) as string
  expect(')')
  const pages = Number(next())
  expect(')')
  const functions: Array<{ name: string; params: number; locals: number; code: number[] }> = []
  while (source[at] === '(') {
    expect('(', 'func', '(', 'export')
    functions.push({ name: JSON.parse(next()) as string, ...readFunction() })
  }
  expect(')')

  function readFunction() {
    expect(')')
    const names: string[] = []
    let params = 0
    while (source[at] === '(') {
      expect('(')
      const kind = next()
      if (kind !== 'result') names.push(next())
      if (kind === 'param') params++
      expect('i32', ')')
    }
    const code: number[] = []
    const labels: Array<string | undefined> = []
    for (let token = next(); token !== ')'; token = next()) {
      const opcode = OPCODES[token]
      if (opcode === undefined) throw new Error(`cannot assemble, there is no ${token}`)
      const alignment = ALIGNMENTS[token]
      code.push(opcode)
      if (token.startsWith('local.')) code.push(...unsigned(placeOf(names, next())))
      else if (token === 'i32.const') code.push(...signed(Number(next())))
      else if (token.startsWith('br')) code.push(...unsigned(placeOf(labels.toReversed(), next())))
      else if (alignment !== undefined) code.push(alignment, ...unsigned(source[at]?.startsWith('offset=') ? Number(next().slice(7)) : 0))
      else if (BLOCKS.has(token)) {
        labels.push(source[at]?.startsWith('$') ? next() : undefined)
        code.push(NO_RESULT)
      } else if (token === 'end') labels.pop()
    }
    return { params, locals: names.length - params, code: [...code, OPCODES['end'] as number] }
  }

  const exports = [[...named(memory), 2, 0], ...functions.map(({ name }, index) => [...named(name), 0, ...unsigned(index)])]
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, functions.map(({ params }) => [0x60, ...vector(Array.from({ length: params }, () => [I32])), 1, I32])),
    ...section(3, functions.map((_, index) => unsigned(index))),
    ...section(5, [[0, ...unsigned(pages)]]),
    ...section(7, exports),
    ...section(10, functions.map(({ locals, code }) => sized([...(locals > 0 ? [1, ...unsigned(locals), I32] : [0]), ...code]))),
  ])
}

const I32 = 0x7f
const NO_RESULT = 0x40
const BLOCKS = new Set(['block', 'loop', 'if'])
/** As powers of two. */
const ALIGNMENTS: Record<string, number> = { 'i32.load16_u': 1, 'i32.store': 2 }
const OPCODES: Record<string, number> = {
  block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, br_if: 0x0d, return: 0x0f,
  'local.get': 0x20, 'local.set': 0x21, 'local.tee': 0x22, 'i32.load16_u': 0x2f, 'i32.store': 0x36, 'i32.const': 0x41,
  'i32.eqz': 0x45, 'i32.eq': 0x46, 'i32.ne': 0x47, 'i32.ge_u': 0x4f, 'i32.add': 0x6a, 'i32.sub': 0x6b, 'i32.or': 0x72, 'i32.shl': 0x74,
}

function placeOf(names: Array<string | undefined>, name: string): number {
  const place = names.indexOf(name)
  if (place < 0) throw new Error(`cannot assemble, there is no ${name}`)
  return place
}

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))]
}

function signed(value: number): number[] {
  const low = value & 127
  const rest = value >> 7
  const isLast = (rest === 0 && low < 64) || (rest === -1 && low >= 64)
  return isLast ? [low] : [low | 128, ...signed(rest)]
}

function sized(bytes: number[]): number[] {
  return [...unsigned(bytes.length), ...bytes]
}

function vector(items: number[][]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

function named(name: string): number[] {
  return sized([...name].map((letter) => letter.charCodeAt(0)))
}

function section(id: number, items: number[][]): number[] {
  return [id, ...sized(vector(items))]
}

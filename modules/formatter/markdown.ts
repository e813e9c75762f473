type Side = 'left' | 'right' | 'center' | undefined

const MIN_WIDTH = 3
/** Tables whose columns are wider are left as they are: aligned, they would be longer than the text by far. */
const MAX_WIDTH = 200

/**
 * Aligns the columns of the tables in a Markdown text. Everything else stays as it is, code in fences too.
 *
 * @example formatMarkdown('|a|b|\n|-|-:|\n|long|1|')
 */
export function formatMarkdown(text: string): string {
  const lines = text.split('\n')
  const out: string[] = []
  let fence: string | undefined
  for (let n = 0; n < lines.length; n++) {
    const line = lines[n] as string
    const [, mark] = /^ {0,3}(`{3,}|~{3,})/.exec(line) ?? []
    if (fence === undefined) fence = mark
    else if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined
    const length = fence === undefined && mark === undefined ? tableAt(lines, n) : 0
    if (length === 0) out.push(line)
    else out.push(...formatTable(lines.slice(n, n + length)))
    n += Math.max(0, length - 1)
  }
  return out.join('\n')
}

/** Lines of the table that begins here; 0 where none does. */
function tableAt(lines: readonly string[], at: number): number {
  const [head, rule] = [lines[at] as string, lines[at + 1] ?? '']
  if (!head.includes('|') || !/^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(rule) || !rule.includes('|')) return 0
  if (/^( {4}|\t)/.test(head) || cellsOf(head).length !== cellsOf(rule).length) return 0
  let end = at + 2
  while (end < lines.length && lines[end]?.includes('|') && lines[end]?.trim() !== '') end++
  return end - at
}

function formatTable(lines: readonly string[]): readonly string[] {
  const [indent = ''] = /^ */.exec(lines[0] as string) ?? []
  const [head = [], rule = [], ...rows] = lines.map(cellsOf)
  const sides = rule.map(sideOf)
  const written = [head, ...rows].map((cells) => head.map((_, column) => cells[column] ?? ''))
  const widths = head.map((_, column) => Math.max(MIN_WIDTH, ...written.map((cells) => widthOf(cells[column] as string))))
  // A row with more cells than the head is nobody's to cut.
  if (rows.some((cells) => cells.length > head.length) || widths.some((width) => width > MAX_WIDTH)) return lines
  const lineOf = (cells: readonly string[]) => `${indent}| ${cells.join(' | ')} |`
  const [first, ...others] = written.map((cells) => lineOf(cells.map((cell, column) => pad(cell, widths[column] as number, sides[column]))))
  return [first as string, lineOf(widths.map((width, column) => ruleOf(width, sides[column]))), ...others]
}

/** What stands between the bars; a bar behind a backslash is no border. */
function cellsOf(line: string): string[] {
  const cells = line.trim().replace(/^\|/, '').replace(/(?<!\\)\|$/, '').split(/(?<!\\)\|/)
  return cells.map((cell) => cell.trim())
}

function sideOf(rule: string): Side {
  if (rule.endsWith(':')) return rule.startsWith(':') ? 'center' : 'right'
  return rule.startsWith(':') ? 'left' : undefined
}

function ruleOf(width: number, side: Side): string {
  if (side === 'center') return `:${'-'.repeat(width - 2)}:`
  if (side === 'right') return `${'-'.repeat(width - 1)}:`
  return side === 'left' ? `:${'-'.repeat(width - 1)}` : '-'.repeat(width)
}

function pad(cell: string, width: number, side: Side): string {
  const missing = width - widthOf(cell)
  const before = side === 'right' ? missing : side === 'center' ? Math.floor(missing / 2) : 0
  return ' '.repeat(before) + cell + ' '.repeat(missing - before)
}

/** Columns that a text takes: accents that combine take none, characters of East Asia and pictures two. */
function widthOf(text: string): number {
  let width = 0
  for (const character of text) {
    if (/[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) continue
    width += /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff01-\uff60]|\p{Emoji_Presentation}/u.test(character) ? 2 : 1
  }
  return width
}

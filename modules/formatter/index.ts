import { type Data, defineModule } from '@bulkhead/sdk'
import { formatJson } from './json.ts'
import { formatMarkdown } from './markdown.ts'

const KINDS = ['json', 'markdown'] as const
type Kind = (typeof KINDS)[number]

/** What other modules may ask. */
export interface Formatter {
  /** Kinds: `json`, `markdown`. `indent` is that of JSON, the module's own unless given. */
  format(request: { text: string; kind: Kind; indent?: number }): string
}

export default defineModule({
  config: { indent: 2 },

  hooks: {
    'product:after_ai'({ output, tool, config }) {
      const wanted = wantedOf(tool.definition.meta)
      const changed: Data = {}
      for (const [name, kind] of wanted) {
        const text = output[name]
        if (typeof text !== 'string') continue
        const formatted = attempt(() => format(text, kind, config.indent))
        if (formatted !== undefined && formatted !== text) changed[name] = formatted
      }
      if (Object.keys(changed).length === 0) return
      return { action: 'continue', modifications: { output: { ...output, ...changed } } }
    },
  },

  getService(): Formatter {
    return {
      format: ({ text, kind, indent: asked }) => {
        const indent = asked ?? this.config.indent
        if (typeof text !== 'string') throw new TypeError('cannot format, the text is no string')
        if (!KINDS.includes(kind)) throw new TypeError(`cannot format, the kind is one of ${KINDS.join(', ')}`)
        if (!Number.isInteger(indent) || indent < 0 || indent > 8) throw new RangeError('cannot format, the indent is a whole number from 0 to 8')
        return format(text, kind, indent)
      },
    }
  },
})

/** The fields of the output that the tool's definition wants formatted: `meta: { format: { summary: markdown } }`. */
function wantedOf(meta: Data | undefined): Array<[name: string, kind: Kind]> {
  const format = meta?.['format']
  if (typeof format !== 'object' || format === null) return []
  return Object.entries(format).filter(([, kind]) => KINDS.includes(kind))
}

function format(text: string, kind: Kind, indent: number): string {
  return kind === 'json' ? formatJson(text, indent) : formatMarkdown(text)
}

/** What a model wrote may be no JSON: then it stays as it is. */
function attempt(work: () => string): string | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

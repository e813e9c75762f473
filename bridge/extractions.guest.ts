import type { ExtractionReads, KeptExtraction } from '../sdk/extractions.ts'
import { refusal } from './errors.guest.ts'
import { DateOf, freeze, hasOwn, keys, parse, stringify } from './primordials.guest.ts'

type Ask = (capability: string, args: string) => Promise<string>

/** The part of `ctx.db` that reads records. */
export function openExtractionReads(ask: Ask): ExtractionReads {
  const list = async (query: object): Promise<KeptExtraction[]> => {
    const records = parse(await ask('extractions.list', textOf(query))) as Array<KeptExtraction & { createdAt: unknown }>
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as KeptExtraction
      record.createdAt = new DateOf(record.createdAt)
    }
    return records
  }
  return freeze({
    getSessionExtractions: async (sessionId: string) => await list({ sessionId: given('sessionId', sessionId) }),
    getUserExtractions: async (userId: string, classId?: string) => await list({ userId: given('userId', userId), classId }),
    getExtractionsByType: async (type: string, options?: object) => await list({ ...options, type: given('type', type) }),
    countExtractions: async (options?: object) => parse(await ask('extractions.count', textOf(options ?? {}))) as number,
  }) as ExtractionReads
}

/** An id that is missing must not become a query without it, which would find more. */
function given(name: string, value: string): string {
  if (typeof value === 'string') return value
  throw refusal('INVALID', `cannot read extractions, ${name} is no string`)
}

/** Written by hand, since `stringify` calls the module's `toJSON` where there is one. */
function textOf(query: object): string {
  const names = keys(query)
  let members = ''
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string
    const value = (query as Record<string, unknown>)[name]
    if (value === undefined || !hasOwn(query, name)) continue
    members += (members && ',') + stringify(name) + ':' + stringify(value)
  }
  return '{' + members + '}'
}

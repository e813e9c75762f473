import { Ajv2020 } from 'ajv/dist/2020.js'
import { type Static, Type } from 'typebox'
import { BulkheadError } from '../bridge/errors.ts'
import { parseBounded } from '../bridge/json.ts'

const closed = { additionalProperties: false }
const AnyObject = Type.Record(Type.String(), Type.Unknown())

/** What a module may answer to a hook; anything else is its failure. */
export const Verdict = Type.Object(
  {
    action: Type.Union([Type.Literal('continue'), Type.Literal('block'), Type.Literal('skip')]),
    modifications: Type.Optional(
      Type.Object(
        {
          message: Type.Optional(Type.Object({ content: Type.String() }, { additionalProperties: true })),
          response: Type.Optional(Type.String()),
          input: Type.Optional(AnyObject),
          output: Type.Optional(AnyObject),
          systemPromptAdditions: Type.Optional(Type.Array(Type.String(), { maxItems: 100 })),
        },
        closed,
      ),
    ),
    reason: Type.Optional(Type.String()),
    directResponse: Type.Optional(Type.String()),
    extractions: Type.Optional(Type.Array(Type.Object({ type: Type.String(), data: AnyObject }, closed), { maxItems: 100 })),
  },
  closed,
)
export type Verdict = Static<typeof Verdict>

const check = new Ajv2020({ allErrors: false, strict: false }).compile(Verdict)

/** The verdict in a text that came out of an isolate. @throws MODULE_FAILED naming the first fault */
export function readVerdict(text: string): Verdict {
  let value: unknown
  try {
    value = parseBounded(text)
  } catch (thrown) {
    const why = thrown instanceof RangeError ? thrown.message : 'no JSON'
    throw new BulkheadError('MODULE_FAILED', `the verdict cannot be read, it is ${why}`)
  }
  if (check(value)) return value as Verdict
  const [fault] = check.errors ?? []
  const where = fault?.instancePath ? ` at ${fault.instancePath}` : ''
  const extra = typeof fault?.params['additionalProperty'] === 'string' ? ` "${fault.params['additionalProperty'].slice(0, 80)}"` : ''
  throw new BulkheadError('MODULE_FAILED', `the answer is no verdict, it ${fault?.message ?? 'does not fit'}${extra}${where}`)
}

import { expect, test } from 'vitest'
import { HOOKS } from './hooks.ts'

test('hooks before and after the model block, the others do not', () => {
  for (const [name, { blocking }] of Object.entries(HOOKS)) expect(blocking, name).toBe(/:(before|after)_/.test(name))
})

test('what is said after the fact is an event, with a schema of its own', () => {
  const events = Object.entries(HOOKS).filter(([, { mode }]) => mode === 'event')
  expect(events.map(([name]) => name)).toHaveLength(13)
  for (const [name, { context }] of events) expect(context, name).toMatchObject({ type: 'object', additionalProperties: false })
})

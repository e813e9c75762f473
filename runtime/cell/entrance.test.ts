import { expect, test } from 'vitest'
import { BulkheadError } from '../../bridge/errors.ts'
import { type Delivery, openEntrance } from './entrance.ts'
import { openExecution } from './execution.ts'
import { createSlots } from './slots.ts'

const BUDGET = { memoryMB: 32, cpuMs: 100, wallMs: 1_000 }

function open() {
  const slots = createSlots(1)
  const entered: string[] = []
  const ended: Delivery[] = []
  const enter = async (_: number, flat: readonly string[]) => void entered.push(...flat.filter((_text, at) => at % 3 === 1))
  const entrance = openEntrance('module', { cpuMs: () => 0 }, { enter }, slots, (delivery) => ended.push(delivery), () => {})
  const deliver = (kind: Delivery['kind'], id: string) => {
    const execution = openExecution(id, BUDGET)
    execution.ended.catch(() => {})
    entrance.enqueue({ kind, id, text: '', execution })
    return execution
  }
  let leave = () => {}
  slots.acquire('other', (release) => { leave = release })
  return { entered, ended, deliver, leave }
}

test('what has ended while it waited for a slot does not enter, and others do', async () => {
  const { entered, ended, deliver, leave } = open()
  const late = deliver('call', 'late')
  deliver('call', 'in time')
  late.fail(new BulkheadError('TIMEOUT', 'execution ended'))
  leave()
  await expect.poll(() => entered).toEqual(['in time'])
  expect(ended.map(({ id }) => id)).toEqual(['late'])
})

test('where all have ended, nobody enters, and the slot is free again', async () => {
  const { entered, deliver, leave } = open()
  deliver('call', 'late').fail(new BulkheadError('TIMEOUT', 'execution ended'))
  leave()
  expect(entered).toEqual([])
  deliver('call', 'next')
  await expect.poll(() => entered).toEqual(['next'])
})

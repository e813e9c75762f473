import { expect, test } from 'vitest'
import type { Client } from './client.ts'
import { exitCodeOf } from './exit.ts'
import { captured } from './io.setup.ts'
import { awaitProgress, barOf } from './progress.ts'

const accepted = () => new Response('{}', { status: 202, headers: { location: '/v1/progress/1' } })

/** A server that tells of one piece of work, look by look. */
function telling(...looks: object[]): Client {
  return {
    send: () => Promise.reject(new Error('nothing else is asked for')),
    json: async ({ path }) => (path === '/v1/progress/1' ? looks.shift() : undefined),
  }
}

test('long work is watched to its end, and its result is the answer', async () => {
  const { io, stderr } = captured({ columns: 80 })
  const client = telling({ state: 'running', step: 'bundling', percent: 50 }, { state: 'running', step: 'loading', percent: null }, { state: 'done', result: { ok: true } })
  expect(await awaitProgress(accepted(), client, io, false)).toEqual({ ok: true })
  expect(stderr().split('\r\u001b[2K')).toEqual(['', '████████████░░░░░░░░░░░░  50 %  bundling', '… loading', ''])
})

test('nothing is shown where nobody looks, or quiet was asked for', async () => {
  const running = { state: 'running', step: 'bundling', percent: 50 }
  for (const [terminal, quiet] of [[{}, false], [{ columns: 80 }, true]] as const) {
    const { io, stderr } = captured(terminal)
    await awaitProgress(accepted(), telling(running, { state: 'done', result: null }), io, quiet)
    expect(stderr()).toBe('')
  }
})

test('what work fails with is as if it had been answered at once', async () => {
  const { io } = captured({})
  const failing = (error: object) => awaitProgress(accepted(), telling({ state: 'failed', error }), io, true).catch((thrown: unknown) => thrown as { code: string; status: number })
  expect(exitCodeOf((await failing({ code: 'CPU_LIMIT', message: 'too long' })) as { code: string; status: number })).toBe(124)
  expect(exitCodeOf((await failing({ code: 'CONFLICT', message: 'pinned' })) as { code: string; status: number })).toBe(5)
  await expect(awaitProgress(accepted(), telling({ state: 'lost', id: '1' }), io, true)).rejects.toMatchObject({ code: 'LOST', message: expect.stringContaining('it was the work 1') })
})

test('a bar has its place on any terminal', () => {
  expect(barOf({ step: null, percent: 0 }, 80)).toBe('░░░░░░░░░░░░░░░░░░░░░░░░   0 %  under way')
  expect(barOf({ step: 'x'.repeat(100), percent: 140 }, 40)).toHaveLength(39)
  expect(barOf({ step: 'a\u001b[2J\nb', percent: null }, 80)).toBe('… a\\u001b[2J b')
})

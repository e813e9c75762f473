import { expect, test } from 'vitest'
import { parseManifest } from './manifest.ts'
import { underMaxima } from './maxima.ts'

const manifest = parseManifest(
  `name: x
version: 1.0.0
description: x
hooks: [chat:before_ai, chat:after_ai]
timeouts: { chat:before_ai: 8000, chat:after_ai: 100 }
limits: { maxExecutionMs: 9000, maxMemoryMB: 128 }`,
  'module.yaml',
)

test("the operator's maxima cap what a manifest asks for, time limits of hooks included", () => {
  expect(underMaxima(manifest, { maxExecutionMs: 2_000, maxMemoryMB: 64, maxConcurrency: 2 })).toMatchObject({
    limits: { maxExecutionMs: 2_000, maxMemoryMB: 64, maxConcurrency: 2, maxCpuMs: 1_000 },
    timeouts: { 'chat:before_ai': 2_000, 'chat:after_ai': 100 },
  })
})

test('what lies below them stays as it is', () => {
  expect(underMaxima(manifest, { maxMemoryMB: 1_024 })).toEqual(manifest)
})

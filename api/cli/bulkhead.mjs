#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// A command starts in a quarter of the time where its code needs no compiling. The cache is beside the packages, which
// only who may change the code itself can write to; a folder that all share, as Node's own default is, would be a way in.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/bulkhead', import.meta.url)))
await import('./bulkhead.ts')

import { setPriority } from 'node:os'
import { transform } from 'esbuild'
import { build, type BuildRequest } from './build.ts'
import { SPENT, UNUSABLE } from './process.ts'

// Behind the host's own threads.
setPriority(10)
await transform('').catch(() => process.exit(UNUSABLE))

process.on('disconnect', () => process.exit())
process.on('message', (request: BuildRequest) => {
  // What is thrown is no fault in the module's text: esbuild has ended.
  build(request).then((answer) => process.send?.(answer), () => process.exit(SPENT))
})

#!/usr/bin/env node
const [command, ...args] = process.argv.slice(2)
if (command === 'start') {
  // Its signals are its own, and what a client needs it does not.
  const { HELP, start } = await import('./start.ts')
  if (args.includes('--help') || args.includes('-h')) process.stdout.write(HELP)
  else process.exitCode = await start(args)
} else {
  const { dispatch } = await import('./dispatch.ts')
  const { processIo } = await import('./process-io.ts')
  process.exitCode = await dispatch(process.argv.slice(2), processIo())
}

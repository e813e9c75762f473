import type { CommandName } from './commands.ts'
import type { Io } from './io.ts'

/** A command's code, which the others start without. `run` resolves with the exit code. */
interface Loaded {
  help: string
  run(args: string[], io: Io): Promise<number>
}

/** Those that dispatch does itself are not here. */
export const LOADERS: Readonly<Record<Exclude<CommandName, 'cli:help' | 'cli:version'>, () => Promise<Loaded>>> = {
  start: () => import('./start.ts').then(({ HELP: help, start: run }) => ({ help, run })),
  run: () => import('./run.ts').then(({ HELP: help, run }) => ({ help, run })),
  test: () => import('./test.ts').then(({ HELP: help, testCommand: run }) => ({ help, run })),
  'module:create': () => import('./module-create.ts').then(({ HELP: help, moduleCreate: run }) => ({ help, run })),
  'module:validate': () => import('./module-validate.ts').then(({ HELP: help, moduleValidate: run }) => ({ help, run })),
  'module:test': () => import('./module-test.ts').then(({ HELP: help, moduleTest: run }) => ({ help, run })),
  'modules:test-isolation': () => import('./test-isolation.ts').then(({ HELP: help, testIsolation: run }) => ({ help, run })),
  'cli:list': () => import('./cli-list.ts').then(({ HELP: help, cliList: run }) => ({ help, run })),
  'cli:docs': () => import('./cli-docs.ts').then(({ HELP: help, cliDocs: run }) => ({ help, run })),
  'cli:completion': () => import('./cli-completion.ts').then(({ HELP: help, cliCompletion: run }) => ({ help, run })),
}

/** The commands that are no operations of a server, by name, with what each does. */
export const COMMANDS = [
  { name: 'start', summary: 'Start the server, with its database and the modules it finds' },
  { name: 'run', summary: 'Run one script or module once, without server or database' },
  { name: 'test', summary: 'Run tests as deno test does, inside isolates' },
  { name: 'module:create', summary: 'Write a module to begin with' },
  { name: 'module:validate', summary: 'Tell everything that is wrong with a module' },
  { name: 'module:test', summary: "Run a module's tests inside isolates" },
  { name: 'modules:test-isolation', summary: 'Let modules misbehave beside a neighbour, and see whether anything gets out' },
  { name: 'cli:list', summary: 'List every command' },
  { name: 'cli:help', summary: 'Tell of a command, or of those of a domain' },
  { name: 'cli:version', summary: 'Tell the version' },
  { name: 'cli:docs', summary: 'Write the reference of all commands, as Markdown' },
  { name: 'cli:completion', summary: 'Write what makes a shell complete commands and flags' },
] as const
export type CommandName = (typeof COMMANDS)[number]['name']

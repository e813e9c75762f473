import { COMMANDS } from './commands.ts'
import type { Declaration } from './declaration.ts'
import { COMMON, type CommonFlag, type Input, isSwitch, servedBy, shapeOf } from './flags.ts'
import { DECLARATIONS } from './known.ts'
import { typesOf } from './values.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** What may stand where a value is expected: words that are known, a file, a module of the server, or anything. */
type Wanted = readonly string[] | 'file' | 'module' | 'text'

interface Flag {
  flag: string
  short?: string
  /** Undefined for a switch. */
  value: Wanted | undefined
  about: string
}

interface Completed {
  name: string
  summary: string
  flags: readonly Flag[]
  /** What its first argument is. */
  argument: Wanted
}

/** What a shell has to know, the same for all of them. */
function known(): Completed[] {
  const local = COMMANDS.map(({ name, summary }): Completed => ({ name, summary, flags: LOCAL[name] ?? [], argument: name === 'cli:completion' ? SHELLS : name === 'cli:help' ? [...COMMANDS, ...DECLARATIONS].map((one) => one.name) : 'file' }))
  return [...local, ...DECLARATIONS.map((one) => ({ name: one.name, summary: one.summary, flags: flagsOf(one), argument: argumentOf(one) }))]
}

const file: Flag = { flag: 'output', short: 'o', value: 'file', about: COMMON.output.about }
const LOCAL: Readonly<Record<string, readonly Flag[]>> = {
  run: [{ flag: 'hook', value: 'text', about: 'call this hook' }, { flag: 'input', value: 'file', about: "the hook's context" }],
  'module:create': [{ flag: 'folder', value: 'file', about: 'the folder to write' }, { flag: 'type', value: ['extension', 'service', 'daemon', 'plugin'], about: 'what kind of module' }],
  'module:test': [{ flag: 'filter', value: 'text', about: 'only these tests' }],
  'cli:list': [{ flag: 'search', value: 'text', about: COMMON.search.about }, { flag: 'format', value: ['table', 'json', 'yaml'], about: COMMON.format.about }, file],
  'cli:docs': [file],
}

function flagsOf(declaration: Declaration): Flag[] {
  const { inputs } = shapeOf(declaration)
  const own = inputs.filter(({ place }) => place !== 'path').map((input): Flag => ({ flag: input.flag, value: isSwitch(input.schema) ? undefined : wantedBy(input), about: input.schema.description ?? '' }))
  const common = [...servedBy(declaration)]
    .filter((flag) => !own.some((one) => one.flag === flag))
    .map((flag): Flag => {
      const { about, ...how } = COMMON[flag] as { about: string; short?: string; value?: string }
      return { flag, ...(how.short !== undefined && { short: how.short }), value: how.value === undefined ? undefined : (COMMON_VALUES[flag] ?? 'text'), about }
    })
  return [...own, ...common]
}

const COMMON_VALUES: Partial<Record<CommonFlag, Wanted>> = { format: ['table', 'json', 'yaml'], order: ['asc', 'desc'], page: ['all'], output: 'file', batch: 'file', data: 'file' }

function wantedBy({ key, schema, place }: Input): Wanted {
  const words = schema.enum ?? schema.items?.enum
  if (words) return words.map(String)
  if (place === 'upload') return 'file'
  if (key === 'module') return 'module'
  return typesOf(schema).includes('boolean') ? ['true', 'false'] : 'text'
}

function argumentOf({ path, ...declaration }: Declaration): Wanted {
  const [first] = shapeOf({ path, ...declaration }).positional
  if (first?.place === 'path' && path.startsWith('/v1/modules/:')) return 'module'
  return first ? wantedBy(first) : 'text'
}

/**
 * What a shell reads to complete commands, flags and values.
 *
 * @example completionScript('bash') // for eval "$(bulkhead cli:completion bash)"
 */
export function completionScript(shell: Shell): string {
  return { bash, zsh, fish }[shell](known())
}

/** A `case` that answers with the candidates of a place; the same text for bash and zsh. */
function cases(commands: readonly Completed[]): string {
  const answer = (wanted: Wanted) => (wanted === 'file' ? 'files=1' : wanted === 'module' ? 'modules=1' : wanted === 'text' ? ':' : `found='${wanted.join(' ')}'`)
  const ofFlags = commands.flatMap(({ name, flags }) =>
    flags.filter(({ value }) => value !== undefined && value !== 'text').map(({ flag, short, value }) => `    '${name} --${flag}'${short === undefined ? '' : `|'${name} -${short}'`}) ${answer(value!)};;`),
  )
  const texts = commands.flatMap(({ name, flags }) => flags.filter(({ value }) => value === 'text').map(({ flag }) => `'${name} --${flag}'`))
  return `  case "$command $previous" in
${ofFlags.join('\n')}
${texts.length === 0 ? '' : `    ${texts.join('|')}) ;;\n`}    *) case "$current" in
      -*) case "$command" in
${commands.filter(({ flags }) => flags.length > 0).map(({ name, flags }) => `        ${name}) found='${flags.map(({ flag }) => `--${flag}`).join(' ')}';;`).join('\n')}
      esac;;
      *) if [ "$index" -eq 2 ]; then case "$command" in
${commands.filter(({ argument }) => argument !== 'text').map(({ name, argument }) => `        ${name}) ${answer(argument)};;`).join('\n')}
      esac; fi;;
    esac;;
  esac`
}

function bash(commands: readonly Completed[]): string {
  return `# bash completion of bulkhead: eval "$(bulkhead cli:completion bash)"
_bulkhead() {
  local line="\${COMP_LINE:0:COMP_POINT}" found='' files='' modules='' current='' previous command index
  local -a typed
  read -r -a typed <<< "$line"
  case "$line" in *[[:space:]]) typed+=('');; esac
  index=$((\${#typed[@]} - 1))
  current="\${typed[index]}" previous="\${typed[index-1]}" command="\${typed[1]}"
  if [ "$index" -le 1 ]; then
    found='${commands.map(({ name }) => name).join(' ')}'
  else
${cases(commands)}
  fi
  [ -n "$modules" ] && found="$(bulkhead modules:list --limit 1000 --quiet 2>/dev/null </dev/null)"
  if [ -n "$files" ]; then compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return; fi
  mapfile -t COMPREPLY < <(compgen -W "$found" -- "$current")
  # readline takes what is after a colon for a word of its own
  case "$current" in *:*) case "$COMP_WORDBREAKS" in *:*)
    local before="\${current%"\${current##*:}"}"
    COMPREPLY=("\${COMPREPLY[@]#"$before"}");;
  esac;; esac
}
complete -F _bulkhead bulkhead
`
}

function zsh(commands: readonly Completed[]): string {
  return `#compdef bulkhead
# zsh completion of bulkhead: eval "$(bulkhead cli:completion zsh)", or a file _bulkhead in a folder of $fpath
_bulkhead() {
  local words_typed=("\${words[@]}") files='' modules='' current previous command index
  index=$((CURRENT - 1)) current="\${words_typed[CURRENT]}" previous="\${words_typed[CURRENT-1]}" command="\${words_typed[2]}"
  local found=''
  if [ "$index" -le 1 ]; then
    found='${commands.map(({ name }) => name).join(' ')}'
  else
${cases(commands)}
  fi
  [ -n "$modules" ] && found="$(bulkhead modules:list --limit 1000 --quiet 2>/dev/null </dev/null)"
  if [ -n "$files" ]; then _files; return; fi
  compadd -- \${=found}
}
if [ "$funcstack[1]" = "_bulkhead" ]; then _bulkhead "$@"; else compdef _bulkhead bulkhead; fi
`
}

function fish(commands: readonly Completed[]): string {
  const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const values = (wanted: Wanted) => (wanted === 'file' ? '-r -F' : wanted === 'module' ? `-x -a '(bulkhead modules:list --limit 1000 --quiet 2>/dev/null </dev/null)'` : wanted === 'text' ? '-x' : `-x -a ${text(wanted.join(' '))}`)
  const lines = commands.flatMap(({ name, summary, flags, argument }) => [
    `complete -c bulkhead -n __fish_use_subcommand -f -a ${name} -d ${text(summary)}`,
    ...(argument === 'text' ? [] : [`complete -c bulkhead -n '__fish_seen_subcommand_from ${name}; and test (count (commandline -opc)) -eq 2' ${argument === 'file' ? '-F' : values(argument).replace('-x', '-f')}`]),
    ...flags.map(({ flag, short, value, about }) => `complete -c bulkhead -n '__fish_seen_subcommand_from ${name}' -l ${flag}${short === undefined ? '' : ` -s ${short}`} ${value === undefined ? '-f' : values(value)}${about === '' ? '' : ` -d ${text(about)}`}`),
  ])
  return `# fish completion of bulkhead: bulkhead cli:completion fish | source\ncomplete -c bulkhead -e\ncomplete -c bulkhead -f\n${lines.join('\n')}\n`
}

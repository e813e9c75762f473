interface EnvSource {
  /** @throws NotCapable for a name that was not granted */
  read(name: string): string | undefined
  /** Those that were granted, with their values. */
  readonly values: () => Readonly<Record<string, string>>
}

/** `Deno.env`: the values that the module was granted, and what it sets itself, which is seen in this isolate only. */
export function openEnv({ read, values }: EnvSource): object {
  const own = new Map<string, string | undefined>()
  const get = (key: string) => (own.has(key) ? own.get(key) : read(key))
  return {
    get(key: string) {
      return get(checked(key))
    },
    toObject() {
      const all: Record<string, string> = { ...values() }
      for (const [key, value] of own) {
        if (value === undefined) delete all[key]
        else all[key] = value
      }
      return all
    },
    set(key: string, value: string) {
      if (String(value).includes('\0')) throw new TypeError(`Value contains invalid characters: ${JSON.stringify(value)}`)
      own.set(checked(key), String(value))
    },
    has(key: string) {
      return get(checked(key)) !== undefined
    },
    delete(key: string) {
      own.set(checked(key), undefined)
    },
  }
}

function checked(key: unknown): string {
  const name = String(key)
  if (name === '') throw new TypeError('Key is an empty string.')
  if (/[=\0]/.test(name)) throw new TypeError(`Key contains invalid characters: ${JSON.stringify(name)}`)
  return name
}

/** What a module's binary says of the memories it makes for itself, in pages of 64 KiB. */
export interface DeclaredMemories {
  /** Pages that every instance begins with. */
  initial: number
  /** The most that those may grow to which nobody outside the instance can see. */
  hidden: number
  /** Why instances cannot be metered. */
  problem?: string
}

const MEMORY_SECTION = 5
const EXPORT_SECTION = 7
const MEMORY = 2
const HAS_MAXIMUM = 1

/**
 * Reads the memory and export sections of a binary that V8 has found valid.
 *
 * @param imported number of memories that are imported, which come first in the index space
 */
export function declaredMemories(bytes: Uint8Array, imported: number): DeclaredMemories {
  const memories: Array<{ initial: number; maximum: number | undefined }> = []
  const visible: boolean[] = []
  let problem: string | undefined
  let at = 8

  const byte = () => bytes[at++] as number
  const number = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const part = byte()
      value += (part & 127) * scale
      if (part < 128) return value
    }
  }
  const readMemories = () => {
    for (let left = number(); left > 0; left--) {
      const flags = number()
      if (flags > HAS_MAXIMUM) problem = 'it declares a memory that is shared or has 64-bit addresses'
      const initial = number()
      memories[memories.length] = { initial, maximum: flags & HAS_MAXIMUM ? number() : undefined }
    }
  }
  const readExports = () => {
    for (let left = number(); left > 0; left--) {
      const length = number()
      at += length
      const kind = byte()
      const index = number()
      if (kind === MEMORY && index >= imported) visible[index - imported] = true
    }
  }

  while (at < bytes.length) {
    const section = byte()
    const size = number()
    const end = at + size
    if (section === MEMORY_SECTION) readMemories()
    else if (section === EXPORT_SECTION) readExports()
    at = end
  }
  let initial = 0
  let hidden = 0
  for (let i = 0; i < memories.length; i++) {
    const memory = memories[i] as (typeof memories)[number]
    initial += memory.initial
    if (visible[i]) continue
    if (memory.maximum === undefined) problem ??= 'it declares a memory without a maximum and does not export it'
    hidden += memory.maximum ?? 0
  }
  return problem === undefined ? { initial, hidden } : { initial, hidden, problem }
}

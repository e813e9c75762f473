import { type Blob, type File, fileFrom, blobBytes, isBlob, isFile } from './blob.guest.ts'
import { illegal, needArguments, shapeInspectionAs, shapeInterface, shapeIterable, toUSVString } from './interface.guest.ts'

export type FormDataEntry = [name: string, value: string | File]

let entriesOf: (form: FormData) => FormDataEntry[]
let isFormData: (value: unknown) => value is FormData

/** XMLHttpRequest, 5. */
export class FormData {
  #entries: FormDataEntry[] = []

  static {
    entriesOf = (form) => form.#entries
    isFormData = (value): value is FormData => typeof value === 'object' && value !== null && #entries in value
  }

  constructor(form?: undefined) {
    if (form !== undefined) throw illegal() // there are no forms to take the entries of
  }

  append(name: string, value: string | Blob, filename: string | undefined = undefined): void {
    needArguments(arguments.length, 2, 'append', 'FormData')
    this.#entries.push(entryOf(name, value, filename, arguments.length > 2))
  }

  delete(name: string): void {
    needArguments(arguments.length, 1, 'delete', 'FormData')
    const key = toUSVString(name)
    remove(this.#entries, key, 0)
  }

  get(name: string): string | File | null {
    needArguments(arguments.length, 1, 'get', 'FormData')
    const key = toUSVString(name)
    return this.#entries.find(([other]) => other === key)?.[1] ?? null
  }

  getAll(name: string): Array<string | File> {
    needArguments(arguments.length, 1, 'getAll', 'FormData')
    const key = toUSVString(name)
    return this.#entries.filter(([other]) => other === key).map(([, value]) => value)
  }

  has(name: string): boolean {
    needArguments(arguments.length, 1, 'has', 'FormData')
    const key = toUSVString(name)
    return this.#entries.some(([other]) => other === key)
  }

  set(name: string, value: string | Blob, filename: string | undefined = undefined): void {
    needArguments(arguments.length, 2, 'set', 'FormData')
    const entry = entryOf(name, value, filename, arguments.length > 2)
    const at = this.#entries.findIndex(([other]) => other === entry[0])
    if (at < 0) return void this.#entries.push(entry)
    this.#entries[at] = entry
    remove(this.#entries, entry[0], at + 1)
  }
}
shapeInterface(FormData)
shapeIterable<FormData>(FormData, entriesOf)
shapeInspectionAs(FormData, (self, inspect, options) => {
  const view: Record<string, unknown> = {}
  for (const [name, value] of entriesOf(self as FormData)) view[name] = value
  return `FormData ${inspect(view, options)}`
})
for (const [name, length] of [['append', 2], ['set', 2]] as const) {
  Object.defineProperty(FormData.prototype[name], 'length', { value: length, configurable: true })
}

export { entriesOf as formEntries, isFormData }

function remove(entries: FormDataEntry[], name: string, from: number): void {
  for (let i = entries.length - 1; i >= from; i--) if (entries[i]?.[0] === name) entries.splice(i, 1)
}

/** "Create an entry": what is a Blob becomes a File. */
function entryOf(name: string, value: string | Blob, filename: string | undefined, isNamed: boolean): FormDataEntry {
  const key = toUSVString(name)
  if (isBlob(value)) {
    if (isFile(value) && !isNamed) return [key, value]
    const fileName = isNamed ? toUSVString(filename) : 'blob'
    return [key, fileFrom(blobBytes(value), fileName, value.type, isFile(value) ? value.lastModified : Date.now())]
  }
  return [key, toUSVString(value)]
}

import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AppUnderTest } from './app.setup.ts'

/** Makes what an example names, and answers with the inputs that name it in their place. */
type Prepare = (app: AppUnderTest) => Promise<Record<string, unknown>>

const madeKey: Prepare = async (app) => {
  const { body } = await app.send('/v1/auth/keys', { body: { name: `example ${randomUUID()}`, scopes: ['modules:read'] } })
  return { id: (body as unknown as { row: { id: string } }).row.id }
}

/** Installs two versions of a module, unless they are there. */
const installed: Prepare = async (app) => {
  for (const version of ['1.0.0', '1.1.0']) await app.send('/v1/modules', { body: await greeter(app, version) })
  return {}
}

async function greeter(app: AppUnderTest, version: string): Promise<{ source: { folder: string } }> {
  const folder = join(app.folder, 'modules/.incoming/greeter')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'module.yaml'), `name: greeter\nversion: ${version}\ndescription: Says hello\n`)
  await writeFile(join(folder, 'index.ts'), 'export default {}')
  return { source: { folder } }
}

/** By the name of an operation whose example cannot run on an installation where nothing was made yet. */
export const prepared: Readonly<Record<string, Prepare>> = {
  'modules:install': async (app) => ({ from: await greeter(app, '1.0.0') }),
  'modules:validate': async (app) => ({ from: await greeter(app, '1.0.0') }),
  'modules:upgrade': installed,
  'modules:rollback': installed,
  'modules:pin': installed,
  'modules:unpin': installed,
  'modules:remove': installed,
  'auth:rotatekey': madeKey,
  'auth:revokekey': madeKey,
  'progress:get': async (app) => {
    const id = randomUUID()
    await app.database.sql`
      insert into bulkhead.progress (id, caller, operation, host, leased_until)
      values (${id}, ${randomUUID()}, 'modules:reload', ${randomUUID()}, now())`
    return { id }
  },
  'auth:removerole': async (app) => {
    const name = `example-${randomUUID().slice(0, 8)}`
    await app.send(`/v1/auth/roles/${name}`, { method: 'PUT', body: { description: 'An example', scopes: ['modules:read'] } })
    return { name }
  },
}

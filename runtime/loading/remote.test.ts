import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ImportSources } from './gathering.ts'
import { openWorkshop, runArtifact, type Site, startSite, type Workshop } from './loading.setup.ts'

let site: Site
let stranger: Site
let workshop: Workshop
let sources: ImportSources
beforeAll(async () => {
  site = await startSite()
  stranger = await startSite()
  sources = { privateHosts: [site.host], jsrRegistry: `${site.url}jsr` }
  workshop = await openWorkshop(() => sources)
})
afterAll(async () => {
  await workshop[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
  await stranger[Symbol.asyncDispose]()
})

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const put = (path: string, body: string, type?: string) => void site.pages.set(path, { body, ...(type !== undefined && { type }) })
const json = (value: unknown) => JSON.stringify(value)

describe('addresses', () => {
  test('are imported with all that they import, by redirect too, and pinned', async () => {
    put('/mod.ts', "import { b } from './lib/b.js'\nimport data from './data' with { type: 'json' }\nexport const values: number[] = [b, data.c]\nexport const meta = [import.meta.url, import.meta.main, import.meta.filename, import.meta.resolve('./x.ts')]", 'application/typescript')
    put('/lib/b.js', "export { b } from '../c?v=1'", 'text/javascript')
    put('/c?v=1', 'export const b = 1', 'application/javascript; charset=utf-8')
    put('/data', '{ "c": 2 }', 'application/json')
    site.pages.set('/latest', { body: '', status: 302, location: '/mod.ts' })
    const artifact = await workshop.bundle(await workshop.folder({ 'index.ts': `export { values, meta } from '${site.url}latest'` }))
    const { values, meta } = await runArtifact(artifact)
    expect(values).toEqual([1, 2])
    expect(meta).toEqual([`${site.url}mod.ts`, false, undefined, `${site.url}x.ts`])
    expect(artifact.lock).toMatchObject({
      redirects: { [`${site.url}latest`]: `${site.url}mod.ts` },
      remote: { [`${site.url}c?v=1`]: sha256('export const b = 1') },
    })
    expect(JSON.parse(artifact.map).sources).toContain(`${site.url}mod.ts`)
  })

  test('are what their content type says, or their ending where that says nothing', async () => {
    put('/typed', 'export default 1 as number', 'text/typescript')
    put('/plain.ts', 'export default 2 as number', 'text/plain')
    put('/none.tsx', "export default <T,>(value: T) => value\nexport const jsx = 'no'", 'application/octet-stream')
    put('/stream.ts', 'export default 4 as number', 'video/mp2t')
    const names = ['typed', 'plain.ts', 'stream.ts']
    const { values } = await workshop.run({ 'index.ts': `${names.map((name, index) => `import m${index} from '${site.url}${name}'`).join('\n')}\nimport same from '${site.url}none.tsx'\nexport const values = [m0, m1, m2, same(5)]` })
    expect(values).toEqual([1, 2, 4, 5])
    put('/page', '<html>', 'text/html')
    expect((await workshop.faults({ 'index.ts': `\nimport '${site.url}page'` }))[0]).toMatchObject({ text: expect.stringContaining('cannot be imported, it is none of .ts'), file: 'index.ts', line: 2 })
  })

  test('use the import map of the module, and packages', async () => {
    put('/mapped.ts', "export { default } from 'inner'")
    put('/inner.ts', "import { join } from 'node:path'\nexport default join('a', 'b')")
    const { value } = await workshop.run({ 'deno.json': json({ imports: { inner: `${site.url}inner.ts`, 'site/': site.url } }), 'index.ts': "export { default as value } from 'site/mapped.ts'" })
    expect(value).toBe('a/b')
  })

  test('are fetched once, and then come from the disk', async () => {
    put('/once.ts', 'export default 1')
    const importing = { 'index.ts': `export { default } from '${site.url}once.ts'` }
    await workshop.bundle(await workshop.folder(importing))
    put('/once.ts', 'export default 2')
    expect(await workshop.run(importing)).toMatchObject({ default: 1 })
    expect(site.requests.filter((path) => path === '/once.ts')).toHaveLength(1)
  })

  test('must be what the lock has; what is on the disk is asked for anew where it is not', async () => {
    const url = `${site.url}locked.ts`
    const importing = { 'index.ts': `export { default } from '${url}'` }
    put('/locked.ts', 'export default 1')
    const lockOf = (text: string) => ({ 'deno.lock': json({ version: '4', remote: { [url]: sha256(text) } }) })
    expect(await workshop.run({ ...importing, ...lockOf('export default 1') })).toMatchObject({ default: 1 })
    put('/locked.ts', 'export default 2')
    expect(await workshop.run({ ...importing, ...lockOf('export default 2') })).toMatchObject({ default: 2 })
    expect((await workshop.faults({ ...importing, ...lockOf('export default 3') }))[0]).toMatchObject({ text: `cannot fetch ${url}, its content is not what the lock has`, file: 'index.ts', line: 1 })
  })

  test('name the author’s line where something is wrong further on', async () => {
    put('/outer.ts', "\n\nimport './broken.ts'")
    put('/broken.ts', '\nexport const a = ;')
    put('/reaches.ts', "import 'file:///etc/passwd'")
    put('/absent.ts', "import './gone.ts'")
    const faults = await workshop.faults({ 'index.ts': `import '${site.url}outer.ts'` })
    const more = await workshop.faults({ 'index.ts': `\nimport '${site.url}reaches.ts'\n` })
    expect([...faults, ...more].map(({ text, file, line }) => [text, file, line])).toEqual([
      [`Unexpected ";" (in ${site.url}broken.ts:2, imported by ${site.url}outer.ts:3)`, 'index.ts', 1],
      [`"file:///etc/passwd" is a file of the module, which what it imports cannot name (in ${site.url}reaches.ts:1)`, 'index.ts', 2],
    ])
    expect((await workshop.faults({ 'index.ts': `import '${site.url}absent.ts'` }))[0]).toMatchObject({ text: `cannot fetch ${site.url}gone.ts, the server answers 404`, file: 'index.ts', line: 1 })
  })
})

describe('what is refused', () => {
  const faultOf = async (url: string) => (await workshop.faults({ 'index.ts': `import '${url}'` }))[0]?.text

  test('private addresses, unless they are named: written as such, by name, and by redirect', async () => {
    stranger.pages.set('/x.ts', { body: 'export {}' })
    site.pages.set('/away', { body: '', status: 307, location: `${stranger.url}x.ts` })
    const secure = `https://${stranger.host}/x.ts`
    site.pages.set('/secure', { body: '', status: 307, location: secure })
    expect(await faultOf(`${stranger.url}x.ts`)).toBe(`cannot fetch ${stranger.url}x.ts, it is not https:`)
    expect(await faultOf(secure)).toBe(`cannot fetch ${secure}, its address is not public`)
    expect(await faultOf('https://localhost/x.ts')).toBe('cannot fetch https://localhost/x.ts, its address is not public')
    expect(await faultOf('https://[::1]/x.ts')).toBe('cannot fetch https://[::1]/x.ts, its address is not public')
    expect(await faultOf('https://0x7f.1/x.ts')).toBe('cannot fetch https://127.0.0.1/x.ts, its address is not public')
    expect(await faultOf('https://169.254.169.254/latest')).toBe('cannot fetch https://169.254.169.254/latest, its address is not public')
    expect(await faultOf(`${site.url}away`)).toBe(`cannot fetch ${stranger.url}x.ts, it is not https:`)
    expect(await faultOf(`${site.url}secure`)).toBe(`cannot fetch ${secure}, its address is not public`)
    expect(await faultOf('https://me:secret@example.org/x.ts')).toMatch(/it has a user name or a password$/)
    expect(stranger.requests).toEqual([])
  })

  test('files over 4 MB, and one byte less is not', async () => {
    const limit = 4 * 1024 * 1024
    put('/fits.js', '//'.padEnd(limit, 'x'))
    put('/large.js', '//'.padEnd(limit + 1, 'x'))
    expect(await faultOf(`${site.url}large.js`)).toBe(`cannot fetch ${site.url}large.js, it is over ${limit} bytes`)
    expect((await workshop.bundle(await workshop.folder({ 'index.ts': `import '${site.url}fits.js'` }))).inputs).toEqual(['index.ts'])
  })

  test('addresses that lead on for ever', async () => {
    for (let step = 0; step < 12; step++) site.pages.set(`/hop${step}`, { body: '', status: 301, location: `/hop${step + 1}` })
    put('/hop12', 'export {}', 'text/javascript')
    expect(await faultOf(`${site.url}hop0`)).toBe(`cannot fetch ${site.url}hop0, it leads on more than 10 times`)
    expect(await workshop.run({ 'index.ts': `import '${site.url}hop2'\nexport const a = 1` })).toMatchObject({ a: 1 })
  })

  test('files that import another file each, without end', { timeout: 120_000 }, async () => {
    for (let step = 0; step < 60; step++) put(`/chain${step}.ts`, `import './chain${step + 1}.ts'`)
    put('/chain60.ts', 'export {}')
    expect(await faultOf(`${site.url}chain0.ts`)).toBe('it imports what imports something else, more than 50 times over')
    expect(await workshop.run({ 'index.ts': `import '${site.url}chain30.ts'\nexport const a = 1` })).toMatchObject({ a: 1 })
  })
})

describe('packages of JSR', () => {
  const publish = (name: string, version: string, files: Record<string, string>, exports: Record<string, string>, yanked = false) => {
    for (const [path, text] of Object.entries(files)) put(`/jsr/${name}/${version}${path}`, text, 'text/typescript')
    const manifest = Object.fromEntries(Object.entries(files).map(([path, text]) => [path, { size: text.length, checksum: `sha256-${sha256(text)}` }]))
    put(`/jsr/${name}/${version}_meta.json`, json({ manifest, exports }), 'application/json')
    const known = site.pages.get(`/jsr/${name}/meta.json`)
    const { versions = {} } = known ? (JSON.parse(String(known.body)) as { versions?: object }) : {}
    put(`/jsr/${name}/meta.json`, json({ scope: name.split('/')[0]!.slice(1), name, latest: version, versions: { ...versions, [version]: yanked ? { yanked } : {} } }), 'application/json')
  }
  beforeAll(() => {
    const index = (version: string) => ({ '/mod.ts': `import { part } from './lib/part.ts'\nexport const version: string = '${version}'\nexport { part }`, '/lib/part.ts': "export const part = 'part'", '/join.ts': "export { version } from 'jsr:@std/inner@1'" })
    for (const version of ['1.0.0', '1.1.0', '2.0.0-rc.1']) publish('@std/outer', version, index(version), { '.': './mod.ts', './join': './join.ts' })
    publish('@std/outer', '1.2.0', index('1.2.0'), { '.': './mod.ts' }, true)
    publish('@std/inner', '1.5.0', { '/mod.ts': "export const version = 'inner 1.5.0'" }, { '.': './mod.ts' })
  })

  test('are imported by range and by path, as they were written', async () => {
    const artifact = await workshop.bundle(
      await workshop.folder({
        'deno.json': json({ imports: { '@std/outer': 'jsr:@std/outer@^1' } }),
        'index.ts': "import { version, part } from '@std/outer'\nimport { version as inner } from '@std/outer/join'\nimport { version as first } from 'jsr:@std/outer@1.0.0'\nexport const values = [version, part, inner, first]",
      }),
    )
    expect((await runArtifact(artifact))['values']).toEqual(['1.1.0', 'part', 'inner 1.5.0', '1.0.0'])
    expect(artifact.lock).toMatchObject({
      specifiers: { 'jsr:@std/outer@^1': '1.1.0', 'jsr:@std/inner@1': '1.5.0' },
      jsr: { '@std/outer@1.1.0': { integrity: sha256(String(site.pages.get('/jsr/@std/outer/1.1.0_meta.json')!.body)) } },
    })
  })

  test('are refused where the registry, the version, the path or a file is another one', async () => {
    publish('@std/bad', '1.0.0', { '/mod.ts': 'export const a = 1' }, { '.': './mod.ts' })
    put('/jsr/@std/bad/1.0.0/mod.ts', 'export const a = 2')
    const faults = await workshop.faults({ 'index.ts': "import 'jsr:@std/none'\nimport 'jsr:@std/outer@9'\nimport 'jsr:@std/bad'" })
    const more = await workshop.faults({ 'index.ts': "import 'jsr:@std/bad'\nimport 'jsr:@std/outer/none'" })
    expect([...faults, ...more].map(({ text, line }) => [text, line])).toEqual([
      ['the registry has no JSR package "@std/none"', 1],
      ['JSR package "@std/outer" has no version "9", the latest is 1.1.0', 2],
      ['@std/outer@1.1.0 does not export "./none", it exports ., ./join', 2],
    ])
    expect((await workshop.faults({ 'index.ts': "import 'jsr:@std/bad'" }))[0]?.text).toBe(`cannot fetch ${site.url}jsr/@std/bad/1.0.0/mod.ts, its content is not what the lock has`)
  })

  test('have a version where the lock has one, and no path', async () => {
    put('/elsewhere_meta.json', json({ manifest: {}, exports: { '.': './mod.ts' } }), 'application/json')
    const lock = json({ version: '5', specifiers: { 'jsr:@std/outer@1': '../../../elsewhere' }, jsr: {} })
    expect((await workshop.faults({ 'index.ts': "import 'jsr:@std/outer@1'", 'deno.lock': lock }))[0]?.text).toBe('cannot fetch JSR package "@std/outer", "../../../elsewhere" in the lock is no version')
  })

  test('are the version that the lock has', async () => {
    const integrity = sha256(String(site.pages.get('/jsr/@std/outer/1.0.0_meta.json')!.body))
    const lockOf = (hash: string) => ({ 'deno.lock': json({ version: '5', specifiers: { 'jsr:@std/outer@1': '1.0.0' }, jsr: { '@std/outer@1.0.0': { integrity: hash } } }) })
    const importing = { 'index.ts': "export { version } from 'jsr:@std/outer@1'" }
    expect(await workshop.run({ ...importing, ...lockOf(integrity) })).toMatchObject({ version: '1.0.0' })
    expect((await workshop.faults({ ...importing, ...lockOf(sha256('other')) }))[0]?.text).toMatch(/1\.0\.0_meta\.json, its content is not what the lock has$/)
  })
})

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { MODULE_ARCHIVE } from './archive.ts'
import { parseGitAddress } from './git-address.ts'
import { fetchGit } from './git-source.ts'

let root: string
let work: string
let url: string
let count = 0
let folder: string

const git = (...args: string[]) =>
  execFileSync('git', ['-C', work, '-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'protocol.file.allow=always', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' } }).trim()
async function commit(files: Record<string, string | Buffer>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(work, path, '..'), { recursive: true })
    await writeFile(join(work, path), content)
  }
  git('add', '--all')
  git('commit', '--quiet', '--message', 'x')
  git('push', '--quiet', '--tags', 'origin', 'HEAD')
  return git('rev-parse', 'HEAD')
}
const fetch = (fragment = '', more = {}) => fetchGit(`${url}${fragment}`, folder, { allowFile: true, ...more })

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bulkhead-git-test-'))
  work = join(root, 'work')
  url = `file://${join(root, 'repository.git')}`
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', join(root, 'repository.git')])
  execFileSync('git', ['init', '--quiet', '--initial-branch=main', work])
  git('remote', 'add', 'origin', url)
})
afterAll(() => rm(root, { recursive: true, force: true, maxRetries: 20 }))
beforeEach(() => {
  folder = join(root, `fetched-${count++}`)
})

test('a branch, a tag, a commit and a folder are fetched as files, without the history', async () => {
  const first = await commit({ 'module.yaml': 'name: a', 'lib/index.ts': '1', 'packs/b/module.yaml': 'name: b' })
  git('tag', '--annotate', 'v1', '--message', 'one')
  const second = await commit({ 'module.yaml': 'name: newer' })
  git('push', '--quiet', 'origin', 'main:release/2')

  expect(await fetch()).toEqual({ commit: second })
  expect(await readdir(folder)).toEqual(['lib', 'module.yaml', 'packs'])
  for (const [fragment, found, text] of [['#v1', first, 'name: a'], [`#${first}`, first, 'name: a'], ['#release/2', second, 'name: newer'], ['#main:packs/b', second, 'name: b'], ['#:packs/b', second, 'name: b']] as const) {
    await rm(folder, { recursive: true })
    expect(await fetch(fragment), fragment).toEqual({ commit: found })
    expect(await readFile(join(folder, 'module.yaml'), 'utf8')).toBe(text)
  }
})

test('what is not there is said, and leaves nothing behind', async () => {
  await expect(fetch('#nope')).rejects.toMatchObject({ code: 'INVALID', message: "cannot fetch from git: couldn't find remote ref nope" })
  await expect(fetch('#main:nope')).rejects.toMatchObject({ code: 'INVALID', message: expect.not.stringContaining(tmpdir()) })
  await expect(fetchGit(`file://${root}/none.git`, folder, { allowFile: true })).rejects.toMatchObject({ code: 'INVALID' })
  await expect(access(folder)).rejects.toThrow('ENOENT')
  expect((await readdir(root)).filter((name) => name.includes('.git-'))).toEqual([])
})

test('nothing that a repository brings is run: no hooks, filters, submodules or checkouts', async () => {
  const mark = join(root, 'ran')
  git('checkout', '--quiet', '-b', 'evil')
  await commit({
    'module.yaml': 'name: a',
    '.gitattributes': '* filter=evil diff=evil\n',
    '.gitmodules': `[submodule "s"]\n\tpath = s\n\turl = ${url}\n\tupdate = !touch ${mark}\n`,
    '.git-hooks/post-checkout': `#!/bin/sh\ntouch ${mark}\n`,
  })
  const head = git('rev-parse', 'HEAD')
  git('update-index', '--add', '--cacheinfo', `160000,${head},s`)
  git('commit', '--quiet', '--message', 'a submodule')
  git('push', '--quiet', 'origin', 'HEAD')
  await fetch('#evil')
  expect(await readdir(join(folder, 's')).catch(() => [])).toEqual([])
  await expect(access(mark)).rejects.toThrow('ENOENT')
  await expect(access(join(folder, '.git'))).rejects.toThrow('ENOENT')
})

test('nothing of this host\'s settings and credentials is used', async () => {
  const programs = join(root, 'programs')
  await mkdir(programs)
  await writeFile(join(programs, 'git'), '#!/bin/sh\nenv >&2\necho "fatal: $(env | cut -d= -f1 | sort | tr "\\n" " ")" >&2\nexit 1\n')
  await chmod(join(programs, 'git'), 0o755)
  process.env['BULKHEAD_TEST_SECRET'] = 's3cret'
  const said = await fetch('', { path: `${programs}:/usr/bin:/bin` }).catch((thrown: Error) => thrown.message)
  delete process.env['BULKHEAD_TEST_SECRET']
  expect(said).toContain('GIT_ALLOW_PROTOCOL')
  expect(said).not.toMatch(/SECRET|SSH_AUTH_SOCK|s3cret/)
})

test('ssh is used with the key of this host alone, asks nothing, and believes no unknown host', async () => {
  const programs = join(root, 'ssh')
  await mkdir(programs)
  await writeFile(join(programs, 'ssh'), `#!/bin/sh\nprintf '%s\\n' "$@" > '${root}/asked'\nexit 1\n`)
  await chmod(join(programs, 'ssh'), 0o755)
  await expect(fetchGit('git@example.org:a/b.git', folder, { key: "/a key/of 'mine", path: `${programs}:/usr/local/bin:/usr/bin:/bin` })).rejects.toMatchObject({ code: 'INVALID' })
  const asked = (await readFile(join(root, 'asked'), 'utf8')).split('\n')
  expect(asked).toEqual(expect.arrayContaining(['-F', 'none', 'BatchMode=yes', 'StrictHostKeyChecking=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', '-i', "/a key/of 'mine", 'git@example.org']))
  expect(asked.join(' ')).toContain("git-upload-pack 'a/b.git'")
})

test('by https only public hosts are reached, those where the name led when it was looked up, and no others by a redirect', async () => {
  const programs = join(root, 'https')
  await mkdir(programs)
  await writeFile(join(programs, 'git'), `#!/bin/sh\nprintf '%s\\n' "$@" >> '${root}/told'\n`)
  await chmod(join(programs, 'git'), 0o755)
  const told = async (address: string, more: object = {}) => {
    await rm(join(root, 'told'), { force: true })
    await fetchGit(address, folder, { path: `${programs}:/usr/bin:/bin`, ...more }).catch((thrown: Error) => expect(thrown.message).toContain('cannot unpack'))
    return (await readFile(join(root, 'told'), 'utf8')).split('\n')
  }
  for (const host of ['127.0.0.1', '2130706433', '10.0.0.7:8443', '169.254.169.254', '[::1]', '[::ffff:10.0.0.7]', 'localhost', 'localhost:444']) {
    await expect(fetchGit(`https://${host}/a.git`, folder), host).rejects.toMatchObject({ code: 'INVALID', message: expect.stringContaining('is not public') })
  }
  const pinned = await told('https://LocalHost/a.git', { mayReach: () => true })
  expect(pinned.find((one) => one.startsWith('http.curloptResolve='))).toMatch(/^http\.curloptResolve=localhost:443:(127\.0\.0\.1|\[::1\])/)
  expect(pinned).toEqual(expect.arrayContaining(['http.followRedirects=false', 'https://localhost/a.git']))
  expect(await told('https://10.0.0.7:8443/a.git', { privateHosts: ['10.0.0.7:8443'] })).toContain('https://10.0.0.7:8443/a.git')
})

test('links are refused as in an archive', async () => {
  git('checkout', '--quiet', '-b', 'links', 'main')
  await symlink('/etc/passwd', join(work, 'out'))
  await commit({})
  await expect(fetch('#links')).rejects.toThrow('cannot unpack the archive: "out" is a link')
  await expect(access(folder)).rejects.toThrow('ENOENT')
})

test('the limits of size hold: of what is sent, and of what is unpacked', async () => {
  git('checkout', '--quiet', '--force', '-b', 'large', 'main')
  await commit({ 'noise': randomBytes(600_000) })
  await expect(fetch('#large', { packBytes: 300_000 })).rejects.toMatchObject({ code: 'INVALID' })
  await expect(fetch('#large', { limits: { ...MODULE_ARCHIVE, unpackedBytes: 500_000 } })).rejects.toMatchObject({ details: { limit: 'unpackedBytes' } })
  await expect(access(folder)).rejects.toThrow('ENOENT')
  await fetch('#large', { packBytes: 2_000_000 })

  git('checkout', '--quiet', '-b', 'bomb', 'main')
  await commit({ zeros: Buffer.alloc(64 * 1024 * 1024) })
  folder += '-bomb'
  await expect(fetch('#bomb')).rejects.toMatchObject({ details: { limit: 'unpackedBytes' } })
})

test('a server that never ends is given up, with all that runs for it', async () => {
  const programs = join(root, 'slow')
  await mkdir(programs)
  await writeFile(join(programs, 'git'), `#!/bin/sh\nsleep 1000 & echo $! >> ${root}/pids\nwait\n`)
  await chmod(join(programs, 'git'), 0o755)
  await expect(fetch('', { path: `${programs}:/usr/bin:/bin`, timeoutMs: 300 })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'cannot fetch from git: it takes longer than 300 ms' })
  const pid = Number(await readFile(join(root, 'pids'), 'utf8').catch(() => '0'))
  await expect.poll(() => pid === 0 || !isAlive(pid)).toBe(true)
})

/** What has ended may stay listed until somebody asks what became of it. */
function isAlive(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z')
  } catch {
    return false
  }
}

test('a host without git says so, and ssh without a key as well', async () => {
  await expect(fetch('', { path: root })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'cannot fetch from git: there is no git on this host' })
  await expect(fetchGit('git@example.org:a/b.git', folder)).rejects.toThrow('there is no key for ssh on this host')
})

test.each([
  'http://example.org/a.git',
  'git://example.org/a.git',
  'ext::sh -c touch% /tmp/x',
  'file:///srv/a.git',
  '/srv/a.git',
  './a',
  '--upload-pack=touch /tmp/x',
  '-u',
  'https://-oProxyCommand=x/a',
  'ssh://-oProxyCommand=touch/a',
  'git@-oProxyCommand=x:a',
  'git@example.org::a',
  'https://me:token@example.org/a.git',
  'https://token@example.org/a.git',
  'ssh://git:password@example.org/a.git',
  'https://example.org/a b.git',
  'https://example.org/a.git\n--upload-pack=x',
  'https://example.org/a.git#--upload-pack=x',
  'https://example.org/a.git#-x',
  'https://example.org/a.git#a..b',
  'https://example.org/a.git#a@{1}',
  'https://example.org/a.git#+main',
  'https://example.org/a.git#a:../b',
  'https://example.org/a.git#a:/b',
  'https://example.org/a.git#a:-b',
  'https://example.org/a.git#a:b:c',
  'https://example.org/a.git#a#b',
  `https://example.org/${'a'.repeat(1000)}`,
])('the address %j is refused, and no secret in it is repeated', (address) => {
  expect(() => parseGitAddress(address)).toThrow(/^cannot fetch from git: (?!.*(token|password))/)
})

test.each([
  ['https://example.org/a/b.git#v1.2:packs/pii-filter', { protocol: 'https', url: 'https://example.org/a/b.git', ref: 'v1.2', subfolder: 'packs/pii-filter' }],
  ['git@example.org:a/b.git#release/2', { protocol: 'ssh', url: 'git@example.org:a/b.git', ref: 'release/2', subfolder: '' }],
  ['ssh://git@example.org:2222/a/b', { protocol: 'ssh', url: 'ssh://git@example.org:2222/a/b', ref: 'HEAD', subfolder: '' }],
])('the address %j is read', (address, read) => {
  expect(parseGitAddress(address)).toEqual(read)
})

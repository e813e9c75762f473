import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { netCapabilities, type NetCapabilities } from '../bridge/net.host.ts'
import { type DnsStub, openDnsStub, record } from './dns-stub.ts'
import { type Certificates, type EchoServers, hasOpenssl, makeCertificates, openEcho } from './echo.ts'
import { openWebLab, runInDeno, type WebLab } from './web-lab.ts'

let lab: WebLab
let certificates: Certificates | undefined
let echo: EchoServers
let dns: DnsStub
let net: NetCapabilities

beforeAll(async () => {
  certificates = hasOpenssl ? await makeCertificates() : undefined
  echo = await openEcho(certificates)
  dns = await openDnsStub({
    'A all.test': [record.a('93.184.216.34'), record.a('10.0.0.1')],
    'AAAA all.test': [record.aaaa('2606:2800:0220:0001:0248:1893:25c8:1946')],
    'CAA all.test': [record.caa(0, 'issue', 'ca.test'), record.caa(128, 'iodef', 'mailto:a@all.test')],
    'CNAME alias.test': [record.name('all.test')],
    'MX all.test': [record.mx(10, 'mail.all.test'), record.mx(20, '')],
    'NAPTR all.test': [record.naptr(1, 2, 'S', 'SIP+D2U', '', '_sip._udp.all.test')],
    'NS all.test': [record.name('ns.all.test')],
    'PTR 34.216.184.93.in-addr.arpa': [record.name('all.test')],
    'SOA all.test': [record.soa('ns.all.test', 'admin.all.test', 1, 2, 3, 4, 5)],
    'SRV _x._tcp.all.test': [record.srv(1, 2, 3, 'srv.all.test')],
    'TXT all.test': [record.txt('one', 'two'), record.txt('three')],
    'A many.test': Array.from({ length: 500 }, (_, i) => record.a(`93.184.${i >> 8}.${i & 255}`)),
  })
  net = netCapabilities()
  lab = await openWebLab(net.capabilities)
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await net[Symbol.asyncDispose]()
  await echo[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

async function runBoth(name: string): Promise<{ here: string[]; there: string[] }> {
  const file = join(lab.folder, name)
  const put: Record<string, string> = { "'PORT'": String(echo.port), "'TLS_PORT'": String(echo.tlsPort), "'DNS_PORT'": String(dns.port), "'CA'": JSON.stringify(certificates?.ca) }
  const text = await readFile(`fixtures/deno-net/${name}`, 'utf8')
  await writeFile(file, text.replaceAll(/'(PORT|TLS_PORT|DNS_PORT|CA)'/g, (key) => put[key] as string))
  const permissions = ['net:127.0.0.1', 'net:localhost']
  const [here, there] = await Promise.all([lab.run(file, { permissions }), runInDeno(lab.folder, file, ['--allow-net'])])
  expect(here.error).toBeUndefined()
  expect(there.length).toBeGreaterThan(10)
  return { here: here.lines, there }
}

test.each(['connecting.ts', 'resolving.ts'])('%s says the same in Deno and in an isolate', { timeout: 120_000 }, async (name) => {
  const { here, there } = await runBoth(name)
  expect(here).toEqual(there)
})

test.runIf(hasOpenssl)('securing.ts says the same in Deno and in an isolate', { timeout: 120_000 }, async () => {
  const { here, there } = await runBoth('securing.ts')
  expect(here).toEqual(there)
})

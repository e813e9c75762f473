import { createSocket } from 'node:dgram'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A name server on loopback that answers from a table, by UDP and, what is long, by TCP (RFC 1035, 4). */
export interface DnsStub extends AsyncDisposable {
  readonly port: number
  /** What was asked, `TYPE name`, in order. */
  readonly asked: string[]
}

const TYPES: Readonly<Record<string, number>> = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, NAPTR: 35, CAA: 257 }
const UDP_BYTES = 512

/** @param table the data of each record by `TYPE name`; what is not in it does not exist, but for 'silent.test', which gets no answer */
export async function openDnsStub(table: Readonly<Record<string, Buffer[]>>): Promise<DnsStub> {
  const asked: string[] = []
  const answer = (query: Buffer, isUdp: boolean): Buffer | undefined => {
    const { name, type, end } = questionOf(query)
    const key = `${Object.keys(TYPES).find((one) => TYPES[one] === type) ?? type} ${name}`
    asked.push(key)
    if (name === 'silent.test') return undefined
    const records = table[key] ?? []
    const exists = Object.keys(table).some((one) => one.endsWith(` ${name}`))
    const body = Buffer.concat(records.map((data) => Buffer.concat([Buffer.from([0xc0, 12]), u16(type), u16(1), u16(0), u16(60), u16(data.length), data])))
    const isCut = isUdp && body.length > UDP_BYTES
    const flags = 0x8180 | (isCut ? 0x0200 : 0) | (exists ? 0 : name === 'broken.test' ? 2 : 3)
    const head = Buffer.concat([query.subarray(0, 2), u16(flags), u16(1), u16(isCut ? 0 : records.length), u16(0), u16(0)])
    return Buffer.concat([head, query.subarray(12, end), isCut ? Buffer.alloc(0) : body])
  }

  const udp = createSocket('udp4')
  udp.on('message', (query, from) => {
    const message = answer(query, true)
    if (message) udp.send(message, from.port, from.address)
  })
  const streams = new Set<Socket>()
  const tcp = createServer((stream) => {
    streams.add(stream)
    let waiting: Buffer = Buffer.alloc(0)
    stream.on('error', () => {}).on('data', (data: Buffer) => {
      waiting = Buffer.concat([waiting, data])
      if (waiting.length < 2 || waiting.length < 2 + waiting.readUInt16BE(0)) return
      const message = answer(waiting.subarray(2), false)
      if (message) stream.end(Buffer.concat([u16(message.length), message]))
    })
  })
  await new Promise<void>((done) => tcp.listen(0, '127.0.0.1', done))
  const { port } = tcp.address() as AddressInfo
  await new Promise<void>((done) => udp.bind(port, '127.0.0.1', done))
  return {
    port,
    asked,
    async [Symbol.asyncDispose]() {
      udp.close()
      for (const stream of streams) stream.destroy()
      await new Promise((done) => tcp.close(done))
    },
  }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at++] as number; length > 0; length = query[at++] as number) {
    labels.push(query.toString('latin1', at, at + length))
    at += length
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at), end: at + 4 }
}

const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff])
const u32 = (value: number) => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)])
const text = (value: string) => Buffer.concat([Buffer.from([Buffer.byteLength(value)]), Buffer.from(value)])
const domain = (value: string) => Buffer.concat([...value.split('.').filter(Boolean).map(text), Buffer.from([0])])

/** The data of records, as a name server has them. */
export const record = {
  a: (address: string) => Buffer.from(address.split('.').map(Number)),
  aaaa: (groups: string) => Buffer.from(groups.replaceAll(':', ''), 'hex'),
  name: domain,
  mx: (preference: number, exchange: string) => Buffer.concat([u16(preference), domain(exchange)]),
  txt: (...parts: string[]) => Buffer.concat(parts.map(text)),
  srv: (priority: number, weight: number, port: number, target: string) => Buffer.concat([u16(priority), u16(weight), u16(port), domain(target)]),
  soa: (mname: string, rname: string, ...times: number[]) => Buffer.concat([domain(mname), domain(rname), ...times.map(u32)]),
  naptr: (order: number, preference: number, flags: string, services: string, regexp: string, replacement: string) =>
    Buffer.concat([u16(order), u16(preference), text(flags), text(services), text(regexp), domain(replacement)]),
  caa: (flags: number, tag: string, value: string) => Buffer.concat([Buffer.from([flags]), text(tag), Buffer.from(value)]),
}

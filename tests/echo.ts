import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'

/** A certificate for `localhost` and 127.0.0.1, its key, and the authority that signed it, in PEM. */
export interface Certificates {
  ca: string
  cert: string
  key: string
}

/** Servers on loopback: one of TCP that does what its first line says, and one of TLS that sends back what it gets. */
export interface EchoServers extends AsyncDisposable {
  readonly port: number
  readonly tlsPort: number
  /** Connections of the first one that are open. */
  readonly open: number
  /** What it has sent over all of them, in bytes. */
  readonly sentBytes: number
  /** Bytes that the one of TLS was told in secret. */
  readonly confided: number
  /** Has those that said `deaf` be listened to again. */
  wake(): void
}

export const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0
  } catch {
    console.warn('openssl is not here: TLS is not tried')
    return false
  }
})()

/** Made anew each time, so that no key is in the repository. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-certificates-'))
  const run = (command: string) => execFileSync('openssl', command.split(' '), { cwd: folder, stdio: 'ignore' })
  const ec = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  try {
    await writeFile(join(folder, 'leaf.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n')
    run(`req -x509 ${ec} -subj /CN=authority -days 30 -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem`)
    run(`req -new ${ec} -subj /CN=localhost -keyout leaf.key -out leaf.csr`)
    run('x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile leaf.ext -out leaf.pem')
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    return { ca: read('ca.pem'), cert: read('leaf.pem'), key: read('leaf.key') }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}

export async function openEcho(certificates?: Certificates): Promise<EchoServers> {
  const streams = new Set<Socket>()
  let [sentBytes, confided] = [0, 0]
  const ALPN = { ALPNProtocols: ['two', 'one'] }

  const behave: Readonly<Record<string, (stream: Socket) => void>> = {
    bye: (stream) => stream.end('bye'),
    reset: (stream) => stream.resetAndDestroy(),
    deaf(stream) {
      stream.pause()
      stream.write('.')
    },
    quiet: () => {},
    discard: (stream) => stream.resume(),
    flood(stream) {
      const more = () => {
        while (!stream.destroyed && stream.write(Buffer.alloc(64 * 1024))) sentBytes += 64 * 1024
      }
      stream.on('drain', more)
      more()
    },
    starttls(stream) {
      const { ca: _, ...own } = certificates ?? {}
      stream.write('go\n')
      const secured = new TLSSocket(stream, { isServer: true, ...own })
      for (const end of ['end', 'error', 'close']) secured.on(end, () => setImmediate(() => stream.destroy()))
      echo(secured)
    },
    plain: (stream) => stream.end('this is no TLS'),
  }
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    streams.add(stream)
    stream.on('close', () => streams.delete(stream)).on('error', () => {}).on('end', () => stream.end())
    stream.once('data', (data: Buffer) => {
      const does = behave[data.toString('latin1').trim()]
      if (does) return does(stream)
      stream.write(data)
      echo(stream)
    })
  })
  const tls = createTlsServer({ ...certificates, ca: undefined, ...ALPN } as object, (stream: Socket) => {
    stream.on('data', (data: Buffer) => (confided += data.length))
    echo(stream)
  })
  const listen = async (on: Server) => {
    await new Promise<void>((done) => on.listen(0, '127.0.0.1', done))
    return (on.address() as AddressInfo).port
  }
  tls.on('connection', (stream: Socket) => {
    streams.add(stream)
    stream.on('close', () => streams.delete(stream)).on('error', () => {})
  })
  tls.on('tlsClientError', (_, stream) => stream.destroy())
  const [port, tlsPort] = [await listen(server), await listen(tls)]
  return {
    port,
    tlsPort,
    get open() {
      return streams.size
    },
    get sentBytes() {
      return sentBytes
    },
    get confided() {
      return confided
    },
    wake() {
      for (const stream of streams) stream.resume()
    },
    async [Symbol.asyncDispose]() {
      for (const stream of streams) stream.destroy()
      await Promise.all([server, tls].map((one) => new Promise((done) => one.close(done))))
    },
  }
}

function echo(stream: Socket): void {
  stream.on('error', () => {})
  stream.pipe(stream)
}

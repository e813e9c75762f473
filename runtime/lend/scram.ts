import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** How a role logs in by SCRAM-SHA-256 (RFC 5802, 7677): the keys made of its password, once, as every login needs them. */
export interface Credentials {
  user: string
  /** 43 random characters; for a client that derives the keys itself. */
  password: string
  salt: Buffer
  clientKey: Buffer
  serverKey: Buffer
}

const ITERATIONS = 4_096

/** Makes a password that nobody has to remember. */
export async function makeCredentials(user: string): Promise<Credentials> {
  const password = randomBytes(32).toString('base64url')
  const salt = randomBytes(16)
  const salted = await promisify(pbkdf2)(password, salt, ITERATIONS, 32, 'sha256')
  return { user, password, salt, clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') }
}

/** What PostgreSQL keeps of a password. Sent in its place, so that no log of statements ever holds the password. */
export function verifierOf({ salt, clientKey, serverKey }: Credentials): string {
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${sha256(clientKey).toString('base64')}:${serverKey.toString('base64')}`
}

export interface Login {
  first: string
  /** Answers the server's challenge. @throws where it is for another password than ours */
  answer(challenge: string): string
  /** Whether the server has proven that it knows the verifier. */
  isServer(final: string): boolean
}

export function openLogin({ salt, clientKey, serverKey }: Credentials): Login {
  const nonce = randomBytes(18).toString('base64')
  const bare = `n=*,r=${nonce}`
  let expected: Buffer | undefined
  return {
    first: `n,,${bare}`,
    answer(challenge) {
      const said = fieldsOf(challenge)
      const fresh = said['r'] ?? ''
      // Another host has given the role another password since: its salt is not ours.
      if (!fresh.startsWith(nonce) || said['s'] !== salt.toString('base64') || Number(said['i']) !== ITERATIONS) throw new Error('the password was changed')
      const unproven = `c=biws,r=${fresh}`
      const message = `${bare},${challenge},${unproven}`
      const signature = hmac(sha256(clientKey), message)
      expected = hmac(serverKey, message)
      return `${unproven},p=${Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0))).toString('base64')}`
    },
    isServer(final) {
      const given = Buffer.from(fieldsOf(final)['v'] ?? '', 'base64')
      return expected !== undefined && given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}

function fieldsOf(message: string): Record<string, string> {
  return Object.fromEntries(message.split(',').map((field) => [field.slice(0, 1), field.slice(2)]))
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}

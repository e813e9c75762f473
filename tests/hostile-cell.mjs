// A cell that speaks the wire's frames and breaks its rules. ATTACK is set by a line that the test puts before these.
import { Socket } from 'node:net'

const host = new Socket({ fd: 3, readable: true, writable: true })
host.on('error', () => {})
host.on('close', () => process.kill(process.pid, 'SIGKILL'))

const frame = (head, body = '') => raw(Buffer.from(typeof head === 'string' ? head : JSON.stringify(head)), Buffer.from(body))
function raw(head, body, frameBytes = 4 + head.length + body.length, headBytes = head.length) {
  const prefix = Buffer.alloc(8)
  prefix.writeUInt32LE(frameBytes, 0)
  prefix.writeUInt32LE(headBytes, 4)
  return Buffer.concat([prefix, head, body])
}
const send = (...frames) => host.write(Buffer.concat(frames))
const ask = (call, head, body) => send(frame({ id: 7, call, head }, body))
const emit = JSON.stringify({ type: 'forged', data: { by: 'the cell' } })

let victim
const attacks = {
  'unknown call': () => ask('execute', null),
  'inherited call': () => ask('constructor', null),
  'prototype call': () => ask('__proto__', null),
  'another execution': ({ module }) => ask('ask', { module, execution: victim.execution, capability: 'emit' }, emit),
  'another module': ({ execution }) => ask('ask', { module: 'pii-filter~1', execution, capability: 'emit' }, emit),
  'no capability': ({ module, execution }) => ask('ask', { module, execution, capability: {} }, emit),
  'ask without head': () => ask('ask', null, emit),
  'answer never asked for': () => send(frame({ id: 123_456, head: null })),
  'answer twice': ({ id }) => send(frame({ id, head: {} }, '{"action":"continue"}'), frame({ id, head: {} }, '{"action":"block"}')),
  'error without code': ({ id }) => send(frame({ id, error: { message: 'x' } })),
  'error with unknown code': ({ id }) => send(frame({ id, error: { code: 'toString', message: 'x' } })),
  'error without text': ({ id }) => send(frame({ id, error: { code: 'CPU_LIMIT', message: { toString: 1 } } })),
  'frame of 4 GB': () => send(raw(Buffer.from('{}'), Buffer.alloc(0), 0xffff_ffff)),
  'frame past the limit': () => send(raw(Buffer.from('{}'), Buffer.alloc(2 ** 20, 'x'), 64 * 2 ** 20)),
  'head longer than frame': () => send(raw(Buffer.from('{}'), Buffer.alloc(0), 6, 60_000)),
  'head past the limit': ({ id }) => send(frame({ id, head: 'x'.repeat(70_000) })),
  'frame of nothing': () => send(Buffer.alloc(8)),
  'head no JSON': () => send(frame('{"id":1,')),
  'head an array': () => send(frame([])),
  'head null': () => send(frame('null')),
  'id a text': () => send(frame({ id: '1', head: null })),
  'id a fraction': () => send(frame({ id: 1.5, head: null })),
  'call a number': () => send(frame({ id: 1, call: 5, head: null })),
  'deep head': () => send(frame('{"id":' + '['.repeat(30_000) + ']'.repeat(30_000) + '}')),
  noise: () => send(Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7919 + 13) % 251))),
  'lost another module': () => ask('lost', { module: 'pii-filter~1', error: { code: 'CPU_LIMIT', message: 'x' } }),
  'lost without head': () => ask('lost', null),
  'lost without error': ({ module }) => ask('lost', { module }),
  'doomed by another': () => ask('doomed', { why: 'x', module: 'pii-filter~1' }),
  'doomed without reason': () => ask('doomed', { why: 1 }),
  'doomed without head': () => ask('doomed', null),
  'debugger of nobody': ({ module }) => ask('debugged', { module }, '{"method":"Debugger.paused"}'),
  'flood of asks': ({ module, execution }) => {
    const many = Buffer.concat(Array.from({ length: 1000 }, () => frame({ id: 7, call: 'ask', head: { module, execution, capability: 'emit' } }, emit)))
    const more = () => {
      while (host.write(many));
      host.once('drain', more)
    }
    more()
  },
  'flood of pings': () => {
    const many = Buffer.concat(Array.from({ length: 1000 }, () => frame({ id: 7, call: 'ask', head: {} })))
    const more = () => {
      while (host.write(many));
      host.once('drain', more)
    }
    more()
  },
  // No violations: the host ends these by its own clock, or takes them for what they are.
  silence: () => host.pause(),
  'half a frame': () => send(raw(Buffer.from('{"id":1}'), Buffer.alloc(0), 1_000_000, 8)),
  'verdict no JSON': ({ id }) => send(frame({ id, head: { wallMs: 'x' } }, '{"action":')),
  'execution that has ended': ({ id, module }) => {
    ask('ask', { module, execution: 'f0f0f0f0-0000-4000-8000-000000000000', capability: 'emit' }, emit)
    send(frame({ id, head: {} }, '{"action":"continue"}'))
  },
}

let buffer = Buffer.alloc(0)
host.on('data', (chunk) => {
  buffer = Buffer.concat([buffer, chunk])
  while (buffer.length >= 8 && buffer.length >= 4 + buffer.readUInt32LE(0)) {
    const end = 4 + buffer.readUInt32LE(0)
    const { id, call, head } = JSON.parse(buffer.toString('utf8', 8, 8 + buffer.readUInt32LE(4)))
    buffer = buffer.subarray(end)
    if (call === 'call' && head.module.startsWith('victim')) victim = head
    else if (call === 'call') attacks[ATTACK]({ id, ...head })
    else if (call !== undefined) send(frame({ id, head: null }, call === 'load' ? '{"hooks":[]}' : ''))
  }
})

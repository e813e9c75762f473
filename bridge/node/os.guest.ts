/** Constants that tell nothing of the machine. */
export const EOL = '\n'
export const devNull = '/dev/null'
export const platform = (): string => 'linux'
export const type = (): string => 'Linux'
export const arch = (): string => 'x64'
export const machine = (): string => 'x86_64'
export const release = (): string => '0.0.0'
export const version = (): string => '0'
export const endianness = (): string => 'LE'
export const hostname = (): string => 'bulkhead'
export const homedir = (): string => '/'
export const tmpdir = (): string => '/tmp'
export const uptime = (): number => 0
export const loadavg = (): number[] => [0, 0, 0]
export const totalmem = (): number => 0
export const freemem = (): number => 0
export const availableParallelism = (): number => 1
export const cpus = (): object[] => [{ model: '', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } }]
export const networkInterfaces = (): object => ({})
export const userInfo = (): object => ({ uid: 0, gid: 0, username: 'bulkhead', homedir: '/', shell: null })
export const constants = { signals: {}, errno: {}, priority: {} }
export default { EOL, devNull, platform, type, arch, machine, release, version, endianness, hostname, homedir, tmpdir, uptime, loadavg, totalmem, freemem, availableParallelism, cpus, networkInterfaces, userInfo, constants }

import { readFileSync } from 'node:fs'

const KB_PER_MB = 1024

/** MB of memory that a process holds now; 0 where it is gone, or the system has no /proc. */
export function residentMB(pid: number): number {
  return statusMB(pid, 'VmRSS')
}

/** The most MB that a process has held so far; 0 as above. */
export function peakMB(pid: number): number {
  return statusMB(pid, 'VmHWM')
}

/** proc_pid_status(5): `VmHWM` and `VmRSS` in kB. */
function statusMB(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
    return Number(kilobytes ?? 0) / KB_PER_MB
  } catch {
    return 0
  }
}

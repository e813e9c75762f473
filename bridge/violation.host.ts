import { type Capability, readArgs } from './capabilities.ts'

/** Of the bridge's own: what the isolate itself has refused its module, so that it is known here. Arguments: `{permission}`. */
export const violationCapability: Capability = {
  perExecution: 100,
  argsLength: 1_000,
  async run(caller, args) {
    const { permission } = readArgs('violation', args)
    if (typeof permission === 'string' && !caller.permissions.has(permission)) caller.violated(permission)
    return 'null'
  },
}

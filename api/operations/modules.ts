import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { listOperation } from '../lists.ts'
import { operation } from '../operation.ts'
import { before, ModuleStatus, tagged } from './module-schemas.ts'

const named = Type.Object({ name: Label })
const example = { name: 'pii-filter' }

export const list = listOperation({
  name: 'modules:list',
  http: 'GET /v1/modules',
  scope: 'modules:read',
  summary: 'List every module, found or installed, those that failed to load included',
  item: ModuleStatus,
  key: ['name'],
  example: {},
  examples: [{ summary: 'Those that are not ready, the ones that failed most first', input: { filter: ['status=error'], sort: 'restarts', order: 'desc' } }],
  all: ({ runtime }) => runtime.modules(),
})

export const get = operation({
  name: 'modules:get',
  http: 'GET /v1/modules/:name',
  scope: 'modules:read',
  summary: "Show one module's state, limits and last error",
  input: named,
  output: ModuleStatus,
  tagged,
  example,
  run: ({ runtime }, { name }) => runtime.module(name),
})

export const enable = operation({
  name: 'modules:enable',
  http: 'POST /v1/modules/:name/enable',
  scope: 'modules:write',
  summary: 'Load a disabled or failed module and give it its hooks',
  input: named,
  output: ModuleStatus,
  tagged,
  before,
  example,
  run: ({ runtime }, { name }) => runtime.enable(name),
})

export const disable = operation({
  name: 'modules:disable',
  http: 'POST /v1/modules/:name/disable',
  scope: 'modules:write',
  summary: 'Finish the calls a module has, unload it, and leave its hooks to the others',
  input: named,
  output: ModuleStatus,
  tagged,
  before,
  example,
  run: ({ runtime }, { name }) => runtime.disable(name),
})

export const reload = operation({
  name: 'modules:reload',
  http: 'POST /v1/modules/:name/reload',
  scope: 'modules:write',
  summary: "Build a module anew from its folder and, if that works, put it in the running one's place",
  input: named,
  output: ModuleStatus,
  tagged,
  before,
  example,
  run: ({ runtime }, { name }) => runtime.reload(name),
})

export const restart = operation({
  name: 'modules:restart',
  http: 'POST /v1/modules/:name/restart',
  scope: 'modules:write',
  summary: 'Bring the version of a module that runs up once more, and switch to it with no call lost',
  input: named,
  output: ModuleStatus,
  tagged,
  before,
  example,
  run: ({ runtime }, { name }) => runtime.restart(name),
})

export const health = operation({
  name: 'modules:health',
  http: 'GET /v1/modules/:name/health',
  scope: 'modules:read',
  summary: 'Ask a module whether it is well',
  input: named,
  output: Type.Object({ module: Type.String(), healthy: Type.Boolean(), status: ModuleStatus.properties.status, message: Type.Union([Type.String(), Type.Null()]) }),
  example,
  run: ({ runtime }, { name }) => runtime.health(name),
})

/** What a service's functions look like to another module: they take and give what JSON can carry, and take their time. */
export type Remote<Service> = {
  [Name in keyof Service]: Service[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

/** How a module speaks with others. */
export interface Messages {
  /**
   * Calls a function of another module's service.
   *
   * @throws NotCapable without the permission `module:<name>`; NotFound where there is no such module or function; what
   *   the function threw, as text; QuotaExceeded where calls lead to calls more than 8 deep, or back to a module that waits
   * @example const greeting = await ctx.call('greeter', 'greet', 'Ann')
   */
  call(module: string, method: string, ...args: unknown[]): Promise<unknown>
  /**
   * Another module's service as an object of asynchronous functions.
   *
   * @example
   * const greeter = ctx.getService<{ greet(name: string): string }>('greeter')
   * await greeter.greet('Ann')
   */
  getService<Service extends object>(module: string): Remote<Service>
  /**
   * Tells every module that subscribes to the topic. Nobody is waited for.
   *
   * @returns how many were told
   * @throws NotCapable without a permission `topic:<pattern>` that fits
   * @example await ctx.publish('orders.created', { id: 'o1' })
   */
  publish(topic: string, data: unknown): Promise<number>
}

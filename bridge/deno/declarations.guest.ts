/** `Deno.test` and `Deno.bench` where nothing is tested or measured: as under `deno run`, what is declared is not run. */
export function openDeclarations(): { test: object; bench: object } {
  const ignored = () => function declare(..._args: unknown[]): void {}
  const hooks = () => ({ beforeAll: ignored(), beforeEach: ignored(), afterEach: ignored(), afterAll: ignored() })
  return {
    test: Object.assign(ignored(), { ignore: ignored(), only: ignored(), ...hooks(), sanitizer: ignored(), each: () => ignored() }),
    bench: ignored(),
  }
}

/**
 * Runs all of them one after the other, however many there are and whatever they throw; then throws the first of it.
 *
 * @internal
 */
export function runAll(steps: Iterable<() => void>): void {
  let failure: { readonly error: unknown } | null = null;
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure !== null) throw failure.error;
}

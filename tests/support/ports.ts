/**
 * Free TCP ports for a program that has to be told its port before it starts.
 *
 * @module
 */

/** Below Linux' range for outgoing connections (32768 and up), so that no client's socket takes one meanwhile. */
const PORT_FIRST = 12_000;
const PORT_COUNT = 20_000;

/** `count` different ports that were free on 0.0.0.0 a moment ago. Somebody may take one before its use: retry then. */
export function freePorts(count: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = PORT_FIRST + Math.floor(Math.random() * PORT_COUNT);
    if (isFree(port)) ports.add(port);
  }
  return [...ports];
}

/** One free port. */
export function freePort(): number {
  return freePorts(1)[0]!;
}

/** The first of `count` ports in a row that are all free. */
export function freePortsInARow(count: number): number {
  for (;;) {
    const first = freePort();
    if (Array.from({ length: count - 1 }, (_, index) => first + 1 + index).every(isFree)) return first;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "0.0.0.0", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

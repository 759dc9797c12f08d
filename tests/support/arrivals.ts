/**
 * Waiting for something that arrives, without polling: look, and look again at each notice, until a deadline.
 *
 * @module
 */

/** A place where arrivals are noticed. */
export interface Arrivals {
  /** Makes everybody who waits look again. */
  notify(): void;
  /** What `look` returns first that is not undefined; undefined after `timeoutMs`. What `look` throws rejects. */
  until<T>(look: () => T | undefined, timeoutMs: number): Promise<T | undefined>;
}

/** A new place without anybody waiting. */
export function arrivals(): Arrivals {
  const waiting = new Set<() => void>();
  return {
    notify: () => {
      for (const look of [...waiting]) look();
    },
    until: (look, timeoutMs) =>
      new Promise((resolve, reject) => {
        const settle = (finish: () => void) => {
          clearTimeout(timer);
          waiting.delete(attempt);
          finish();
        };
        const attempt = () => {
          try {
            const found = look();
            if (found !== undefined) settle(() => resolve(found));
          } catch (error) {
            settle(() => reject(error));
          }
        };
        const timer = setTimeout(() => settle(() => resolve(undefined)), timeoutMs);
        waiting.add(attempt);
        attempt();
      }),
  };
}

/**
 * Deadlines by the ten thousand on one timer: a hashed wheel (Varghese and Lauck 1987, scheme 6). Setting,
 * moving and clearing are O(1) and allocate nothing.
 *
 * @module
 */

/** Resolution: a deadline fires at most this late. */
const TICK_MS = 50;
const SLOTS = 1_024;

/** Something that happens when its time has come; extend it or keep one as a field. */
export class Deadline {
  /** Called once, from the wheel's timer. Must not throw. */
  readonly onDue: (nowMs: number) => void;
  /** Bookkeeping of the wheel. */
  dueMs = 0;
  /** Bookkeeping of the wheel: neighbours in the slot's ring; itself when it isn't set. */
  previous: Deadline = this;
  /** Bookkeeping of the wheel. */
  next: Deadline = this;

  /**
   * Not set yet.
   *
   * @param onDue what happens when its time has come
   */
  constructor(onDue: (nowMs: number) => void) {
    this.onDue = onDue;
  }
}

/** A signal for one delay, and the tick in which it was asked for. */
interface SharedSignal {
  readonly tick: number;
  readonly signal: AbortSignal;
}

/** All deadlines of one process. Its timer runs only while there is something to wait for. */
export class Deadlines {
  readonly #slots = Array.from({ length: SLOTS }, () => new Deadline(() => {}));
  readonly #now: () => number;
  readonly #due = new Deadline(() => {});
  readonly #signals = new Map<number, SharedSignal>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #tick: number;
  #coarseMs: number;
  #pending = 0;

  /**
   * No timer runs until something is set.
   *
   * @param now a clock in ms that never goes back; the default is `performance.now`
   */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#coarseMs = now();
    this.#tick = Math.floor(this.#coarseMs / TICK_MS);
  }

  /** The time of the last tick: at most {@linkcode TICK_MS} behind the clock while any deadline is set. */
  get coarseMs(): number {
    return this.#coarseMs;
  }

  /** Sets or moves a deadline to `delayMs` from `nowMs`, which is now unless the caller knows better. */
  set(deadline: Deadline, delayMs: number, nowMs: number = this.#now()): void {
    this.clear(deadline);
    if (this.#pending === 0) this.#start(nowMs);
    this.#pending++;
    deadline.dueMs = nowMs + delayMs;
    // A time that has passed already belongs to the tick that is looked at next, not to a whole round later.
    const tick = Math.max(Math.floor(deadline.dueMs / TICK_MS), this.#tick);
    this.#append(this.#slots[tick % SLOTS]!, deadline);
  }

  /** Takes a deadline back; does nothing when it isn't set. */
  clear(deadline: Deadline): void {
    if (deadline.next === deadline) return;
    this.#unlink(deadline);
    this.#pending--;
  }

  /**
   * A signal that is aborted when `delayMs` have passed, and at most two ticks later. Shared by all that ask for the
   * same delay in the same tick: a signal each is what thousands of dials a second would notice.
   */
  signal(delayMs: number): AbortSignal {
    const nowMs = this.#now();
    const tick = Math.floor(nowMs / TICK_MS);
    let shared = this.#signals.get(delayMs);
    if (shared?.tick !== tick) {
      const controller = new AbortController();
      shared = { tick, signal: controller.signal };
      this.#signals.set(delayMs, shared);
      this.set(new Deadline(() => controller.abort()), delayMs + TICK_MS, nowMs);
    }
    return shared.signal;
  }

  /** Ends the timer; nothing fires any more. */
  [Symbol.dispose](): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(nowMs: number): void {
    this.#coarseMs = nowMs;
    this.#tick = Math.floor(nowMs / TICK_MS);
    this.#timer ??= setInterval(() => this.#turn(), TICK_MS);
  }

  #turn(): void {
    const nowMs = this.#now();
    this.#coarseMs = nowMs;
    const until = Math.floor(nowMs / TICK_MS);
    // A loop that was held up long catches up in one round of the wheel, not in one step a missed tick.
    const first = Math.max(this.#tick, until - SLOTS + 1);
    for (let tick = first; tick <= until; tick++) this.#fire(this.#slots[tick % SLOTS]!, nowMs);
    this.#tick = until;
    if (this.#pending > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Moves what is due to a ring of its own first: what fires may set and clear its neighbours. */
  #fire(slot: Deadline, nowMs: number): void {
    for (let deadline = slot.next; deadline !== slot;) {
      const next = deadline.next;
      if (deadline.dueMs <= nowMs) {
        this.#unlink(deadline);
        this.#append(this.#due, deadline);
      }
      deadline = next;
    }
    while (this.#due.next !== this.#due) {
      const deadline = this.#due.next;
      this.clear(deadline);
      deadline.onDue(nowMs);
    }
  }

  #append(ring: Deadline, deadline: Deadline): void {
    deadline.previous = ring.previous;
    deadline.next = ring;
    ring.previous.next = deadline;
    ring.previous = deadline;
  }

  #unlink(deadline: Deadline): void {
    deadline.previous.next = deadline.next;
    deadline.next.previous = deadline.previous;
    deadline.next = deadline;
    deadline.previous = deadline;
  }
}

/**
 * Carries events to the main process in batches and never makes a connection wait: main credits what
 * it has taken, and what it doesn't take in time is dropped and counted.
 *
 * @module
 */

import type { ConnectionEvent, RequestEvent } from "../observe/events.ts";
import { BATCH_DELAY_MS, BATCH_EVENTS, BATCHES_OUTSTANDING_MAX, LINE_BYTES_MAX } from "./messages.ts";

const ENVELOPE_START = '{"type":"events","events":[';
const ENVELOPE_END = "]}";

/** Where batches go. */
export interface EventSink {
  /**
   * Sends a batch.
   *
   * @param line one `events` message
   * @returns false when it couldn't be taken
   */
  write(line: string): boolean;
}

/** The events of one worker on their way to main. */
export class EventBatches {
  readonly #sink: EventSink;
  readonly #onDropped: (events: number) => void;
  #batch: string[] = [];
  #batchBytes = 0;
  #outstanding = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * No timer runs until there is an event.
   *
   * @param sink where batches go
   * @param onDropped called with the number of events that were dropped
   */
  constructor(sink: EventSink, onDropped: (events: number) => void) {
    this.#sink = sink;
    this.#onDropped = onDropped;
  }

  /** Adds an event; it leaves with its batch, or is dropped. */
  add(event: ConnectionEvent | RequestEvent): void {
    const text = JSON.stringify(event);
    // A character is at most three bytes of UTF-8, and all but names are ASCII.
    const bytes = text.length * 3;
    if (this.#batchBytes + bytes > LINE_BYTES_MAX - 64) this.flush();
    this.#batch.push(text);
    this.#batchBytes += bytes;
    if (this.#batch.length >= BATCH_EVENTS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_DELAY_MS);
  }

  /** Sends what is there. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#batch.length === 0) return;
    const taken = this.#outstanding < BATCHES_OUTSTANDING_MAX &&
      this.#sink.write(ENVELOPE_START + this.#batch.join(",") + ENVELOPE_END);
    if (taken) this.#outstanding++;
    else this.#onDropped(this.#batch.length);
    this.#batch = [];
    this.#batchBytes = 0;
  }

  /** Main has taken that many batches. */
  credit(batches: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - batches);
  }
}

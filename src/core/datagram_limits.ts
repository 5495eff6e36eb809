import { BATCH_DEFAULT, DATAGRAM_BYTES_DEFAULT } from "./datagram_batches.ts";
import type { DatagramOptions } from "./datagram_options.ts";

/** The limits of a datagram socket, all of them set. */
export interface DatagramLimits {
  /** Datagrams per receiving call. */
  readonly slots: number;
  /** Bytes kept of each. */
  readonly slotBytes: number;
  /** Datagrams received before others have their turn. */
  readonly perWakeMax: number;
  /** Bytes that may wait to be sent. */
  readonly queueBytesMax: number;
  /** Datagrams that may wait. */
  readonly queueDatagramsMax: number;
}

const RECEIVE_BYTES_MAX = 64 * 1024 * 1024;

/** The limits that the options set, and the defaults of the others. Throws RangeError for those that are none. */
export function limitsOf(options: DatagramOptions): DatagramLimits {
  const { maxDatagramBytes = DATAGRAM_BYTES_DEFAULT, batch = BATCH_DEFAULT, datagramsPerWakeMax = 128 } = options;
  const { queueBytesMax = 1024 * 1024, queueDatagramsMax = 1024 } = options;
  check("maxDatagramBytes", maxDatagramBytes, 1, 1024 * 1024);
  check("batch", batch, 1, 1024);
  check("batch times maxDatagramBytes", batch * maxDatagramBytes, 1, RECEIVE_BYTES_MAX);
  check("datagramsPerWakeMax", datagramsPerWakeMax, 1, Infinity);
  check("queueBytesMax", queueBytesMax, 0, Infinity);
  check("queueDatagramsMax", queueDatagramsMax, 0, Infinity);
  return {
    slots: batch,
    slotBytes: maxDatagramBytes,
    perWakeMax: datagramsPerWakeMax,
    queueBytesMax,
    queueDatagramsMax,
  };
}

function check(name: string, value: number, min: number, max: number): void {
  const isWhole = Number.isInteger(value) || (value === Infinity && max === Infinity);
  if (isWhole && value >= min && value <= max) return;
  throw new RangeError(`Cannot use ${name} ${value}: expected a whole number from ${min} to ${max}`);
}

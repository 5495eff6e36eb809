/**
 * What the kernel told about a signal (from `siginfo_t`); see {@linkcode LoopEvent.signalDetails}.
 *
 * @module
 */

import type { SignalRecord } from "../ffi/mod.ts";

/** Sender, reason and value of one signal. */
export type SignalDetails = SignalRecord;

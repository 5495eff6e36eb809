/** How a turn ended. */
export type TurnOutcome = typeof STOPPED | typeof EMPTY | typeof SLEPT | typeof RAN;
/** Exit or break was asked. */
export const STOPPED = 0;
/** Nothing was pending or active. */
export const EMPTY = 1;
/** Nothing became active. */
export const SLEPT = 2;
/** Callbacks ran. */
export const RAN = 3;

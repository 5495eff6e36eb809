/**
 * How evbase waits: one small interface, {@linkcode Backend}, with epoll, kqueue, poll and select behind it. The loop
 * picks one at start and never asks again which it is; what differs between them is a feature bit.
 *
 * @module
 */

export * from "./backend.ts";
export { type BackendChoice, backendNames, chooseBackend } from "./choose.ts";
export { EpollBackend } from "./epoll.ts";
export { EpollChangelistBackend } from "./epoll_changelist.ts";
export { type EpollCalls, epollCalls, type EpollClock, type EpollOptions } from "./epoll_set.ts";
export { KqueueBackend } from "./kqueue.ts";
export { PollBackend } from "./poll.ts";
export { SelectBackend } from "./select.ts";

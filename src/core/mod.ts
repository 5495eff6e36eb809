/**
 * What happens when something is ready: the event loop ({@linkcode EventBase}) with its events, timers and signals; byte
 * buffers ({@linkcode EvBuffer}); and on both of them listeners and buffered connections ({@linkcode Listener},
 * {@linkcode SocketBufferEvent}).
 *
 * @module
 */

export { type ActivatedDescriptor, activatedDescriptors } from "./activation.ts";
export * from "./address_kinds.ts";
export { compareAsciiIgnoreCase } from "./ascii.ts";
export * from "./constants.ts";
export type { Backend, BackendChoice, BackendName } from "../backends/mod.ts";
export {
  backendNames,
  FEATURE_ANY_DESCRIPTOR,
  FEATURE_CONSTANT_TIME,
  FEATURE_EARLY_CLOSE,
  FEATURE_EDGE,
} from "../backends/mod.ts";
export {
  type AddressName,
  type AddressNameOptions,
  close as closeDescriptor,
  formatIpv4,
  formatIpv6,
  formatSocketAddress,
  ipSocketAddress,
  type Ipv4SocketAddress,
  type Ipv6SocketAddress,
  lookUpBlocking,
  lookupErrorText,
  type NameLookupAnswer,
  NameLookupError,
  type NameLookupHints,
  nameOfBlocking,
  parseIpv4,
  parseIpv6,
  parseSocketAddress,
  type ScopeResolver,
  setCloseOnExec,
  setNonBlocking,
  type SignalRecord,
  type SocketAddress,
  SystemError,
  type SystemErrorFacts,
  takeSocketError,
  type UnixSocketAddress,
} from "../ffi/mod.ts";
export {
  BufferEvent,
  type BufferEventCallbacks,
  BufferEventFlow,
  type BufferEventOptions,
  type ByteSink,
  type ConnectionFailure,
  type TriggerOptions,
  type Watermark,
} from "./bufferevent.ts";
export { ConnectionBuffers } from "./connection_buffers.ts";
export { FilterBufferEvent, type FilterBufferEventOptions, type FilterTransform } from "./bufferevent_filter.ts";
export { PairBufferEvent } from "./bufferevent_pair.ts";
export {
  type ConnectOptions,
  type ConnectTarget,
  SocketBufferEvent,
  type SocketBufferEventOptions,
  SocketConnecting,
  SocketReading,
  SocketSending,
  SocketSendingNow,
  SocketStaging,
} from "./bufferevent_socket.ts";
export * from "./evbuffer.ts";
export { Datagram, type DatagramCallback, type DatagramCounts, type ReceiveOptions } from "./datagram.ts";
export { DatagramSocket } from "./datagram_socket.ts";
export type { DatagramOptions, NetworkInterface } from "./datagram_options.ts";
export { type EventCallback, LoopEvent } from "./event.ts";
export { EventBase, type EventConfig } from "./event_base.ts";
export {
  type FolderEntry,
  type FolderEntryKind,
  listFolder,
  OpenFile,
  type OpenFileOptions,
  realPath,
} from "./file.ts";
export type { RunOptions } from "./host_loop.ts";
export { Listener } from "./listener.ts";
export type { AcceptCallback, ListenerErrorCallback, ListenerOptions } from "./listener_options.ts";
export {
  enableDebugLogging,
  EVENT_DBG_ALL,
  EVENT_DBG_NONE,
  EVENT_LOG_DEBUG,
  EVENT_LOG_ERR,
  EVENT_LOG_MSG,
  EVENT_LOG_WARN,
  type LogCallback,
  setLogCallback,
} from "./log.ts";
export { ConnectionError, type ConnectionErrorCode, type ConnectionErrorFacts } from "./connection_error.ts";
export { AwaitableConnection, type AwaitEndOptions, type AwaitOptions } from "./awaitable_connection.ts";
export { BaseClosedError } from "./base_closed_error.ts";
export type { ConnectHostnameOptions } from "./host_connect.ts";
export { HostConnectError } from "./host_connect_error.ts";
export type { AddressFamily, HostAddress, HostQuery, HostResolver } from "./host_resolver.ts";
export { AcceptStream, type AcceptStreamOptions } from "./accept_stream.ts";
export type { IpSocketAddress } from "./address_queue.ts";
export { LoopCallback } from "./loop_callback.ts";
export { LoopPort, type LoopPortHandle, type LoopPortOptions, type MessageCallback } from "./loop_port.ts";
export { LoopPortSender } from "./loop_port_sender.ts";
export type { PortMessagesOptions } from "./port_readers.ts";
export { disableDebugMode, enableDebugMode } from "./debug_mode.ts";
export { activateByFd, activateBySignal, countEvents, dumpEvents, forEachEvent, maxEvents } from "./introspection.ts";
export { RateLimit, type RateLimitOptions } from "./rate_limit.ts";
export { RateLimitGroup } from "./rate_limit_group.ts";
export type { MembershipOptions } from "./multicast.ts";
export type { DispatchLimits } from "./reactor.ts";
export { ReceivedDatagram } from "./received_datagram.ts";
export type { SecureLayer, SecureLayerOptions } from "./secure_layer.ts";
export type { SignalDetails } from "./signal_details.ts";
export { MonotonicClock, type MonotonicClockKind } from "./monotonic_clock.ts";
export { rfc1123Date, rfc1123DateNow } from "./rfc1123_date.ts";
export {
  getIpv6Only,
  getReceiveBufferBytes,
  getResetOnClose,
  getReuseAddress,
  getReusePort,
  getSendBufferBytes,
  getSocketType,
  isListening,
  setIpv6Only,
  setReceiveBufferBytes,
  setResetOnClose,
  setReuseAddress,
  setReusePort,
  setSendBufferBytes,
} from "./socket_options.ts";
export { socketPair, type SocketPairOptions } from "./socket_pair.ts";
export { SocketRelay, type SocketRelayCallback, type SocketRelayOptions } from "./socket_relay.ts";
export * from "./tcp_options.ts";
export { CommonTimeout } from "./timer_queue.ts";
export { CheckWatcher, PrepareWatcher } from "./watcher.ts";

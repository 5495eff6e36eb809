import {
  BaseClosedError,
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  type BufferEvent,
  ConnectionError,
  EV_READ,
  EV_WRITE,
  type EventBase,
  type LoopEvent,
  type SecureLayer,
  SocketBufferEvent,
} from "../core/mod.ts";
import { Deferred } from "../core/deferred.ts";
import { reactorOf } from "../core/event_base.ts";
import type { ConnectorOptions, StreamTarget } from "./connector_options.ts";
import { proxyWay } from "./proxies.ts";
import { ProxyError } from "./proxy_error.ts";
import type { ProxyWay } from "./proxy_way.ts";
import { addressOf, hostOf } from "./stream_target.ts";

/** As in evhttp. */
const CONNECT_TIMEOUT_MS = 45_000;
/** The limit is ours, for the whole way; the connection's own must not come first. */
const NO_CONNECT_TIMEOUT_MS = 86_400_000;

/** Who wants a stream. */
export interface StreamOwner {
  /** It is open, without callbacks, and the owner's to close. Called from the loop. */
  opened(stream: BufferEvent): void;
  /** There is none, and nothing is left open. Called from the loop. */
  failed(error: Error): void;
}

/**
 * A stream that is being opened: first the connection, to the target or to a proxy, then the way through the proxy, then TLS.
 *
 * It works by callbacks, so that it does under `dispatch()` as well; {@linkcode openStream} is the same as a promise.
 */
export class StreamOpening {
  readonly #owner: StreamOwner;
  readonly #options: ConnectorOptions;
  readonly #target: StreamTarget;
  readonly #limit: LoopEvent;
  readonly #tell: Deferred;
  readonly #base: EventBase;
  // There is no loop to end it once the base is closed.
  readonly #dependent: { close(): void } = { close: () => this.#baseClosed() };
  readonly #socket: SocketBufferEvent;
  #stream: BufferEvent;
  #way: ProxyWay | null;
  #asksProxy = false;
  #isSecured = false;
  #error: Error | null = null;
  #over = false;

  /**
   * Begins at once.
   *
   * @throws {TypeError} or {RangeError} for a target or an option that is none, such as a name without a resolver.
   * @throws {SystemError} when no socket is to be had.
   */
  constructor(base: EventBase, target: StreamTarget, options: ConnectorOptions, owner: StreamOwner) {
    const timeoutMs = timeoutOf(options);
    this.#base = base;
    this.#owner = owner;
    this.#options = options;
    this.#target = target;
    this.#way = options.proxy === undefined ? null : proxyWay(options.proxy, target);
    this.#limit = base.timer(() => this.#fail(new ConnectionError("TIMEOUT", `Cannot connect within ${timeoutMs} ms`)));
    this.#tell = new Deferred(base, base.priorities >> 1, () => this.#tellFailure());
    this.#socket = new SocketBufferEvent(base, -1, options.connection);
    this.#stream = this.#socket;
    try {
      this.#connect();
      this.#listen();
      const { clock, dependents } = reactorOf(base);
      // What is asked of the other side leaves now, which may be long after the loop's time: who was busy until now pays for that alone.
      if (timeoutMs < Infinity) this.#limit.add(timeoutMs + clock.ageMs);
      dependents.add(this.#dependent);
    } catch (error) {
      this.cancel();
      throw error;
    }
  }

  /** Gives it up; nobody is told. Harmless when it is over. */
  cancel(): void {
    if (this.#end()) this.#stream.close();
    this.#takeBack();
  }

  /** Ends the waiting. Returns false when it had ended before. */
  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#limit.close();
    reactorOf(this.#base).dependents.delete(this.#dependent);
    return true;
  }

  #baseClosed(): void {
    if (this.#error !== null) return this.#tellFailure();
    if (!this.#end()) return;
    this.#stream.close();
    this.#owner.failed(new BaseClosedError("connect"));
  }

  /** Also from outside of the loop, which then tells. */
  #fail(error: Error): void {
    if (!this.#end()) return;
    this.#stream.close();
    this.#error = error;
    // The base may be closed before the loop comes to this.
    reactorOf(this.#base).dependents.add(this.#dependent);
    this.#tell.schedule();
  }

  #tellFailure(): void {
    this.#takeBack();
    this.#owner.failed(this.#error!);
  }

  /** Nobody else is to tell. */
  #takeBack(): void {
    reactorOf(this.#base).dependents.delete(this.#dependent);
    this.#tell.cancel();
  }

  #connect(): void {
    const { proxy, resolver, family, localAddress } = this.#options;
    if (proxy === undefined && "unixPath" in this.#target) {
      this.#socket.connect({ family: "unix", path: this.#target.unixPath });
      return;
    }
    const { host, port } = proxy ?? (this.#target as { host: string; port: number });
    const times = { connectTimeoutMs: NO_CONNECT_TIMEOUT_MS };
    this.#socket.connectHostname(addressOf(host), port, { resolver, family, localAddress, ...times });
  }

  /** Waits for what the stream on top has to say. */
  #listen(): void {
    this.#stream.setCallbacks({
      read: () => this.#receive(),
      event: (what, stream) => {
        if (this.#over) return;
        if ((what & BEV_EVENT_CONNECTED) !== 0) this.#guard(() => this.#connected());
        else this.#fail(this.#failure((what & BEV_EVENT_EOF) === 0 ? stream.error : null));
      },
    });
  }

  #failure(error: Error | null): Error {
    // A proxy that closes while it is talked to may well be heard as a reset.
    if (this.#asksProxy) {
      return new ProxyError("PROXY_CLOSED", "it has closed the connection", { cause: error ?? undefined });
    }
    return error ?? new ConnectionError("END_OF_STREAM", "Cannot connect: the other side has closed the connection");
  }

  /** The stream on top is there: what is to be put on it next? */
  #connected(): void {
    const { proxy, tls, tlsHostname } = this.#options;
    if (this.#way !== null) {
      const speaksTls = proxy?.kind === "http" && proxy.tls !== undefined;
      if (speaksTls && this.#stream === this.#socket) {
        this.#secure(proxy.tls!, addressOf(proxy.host));
      } else {
        this.#asksProxy = true;
        this.#stream.enable(EV_READ);
        this.#stream.write(this.#way.begin());
      }
    } else if (tls !== undefined && !this.#isSecured) {
      this.#secureTarget(tls, tlsHostname);
    } else {
      this.#succeed();
    }
  }

  #secureTarget(tls: SecureLayer, hostname: string | undefined): void {
    this.#isSecured = true;
    this.#secure(tls, hostname ?? hostOf(this.#target));
  }

  #secure(layer: SecureLayer, hostname: string | undefined): void {
    this.#stream.setCallbacks({});
    this.#stream = layer.secure(this.#stream, { hostname });
    this.#listen();
    // The handshake runs while a direction is enabled; writing is from the start.
    this.#stream.enable(EV_WRITE);
  }

  #receive(): void {
    const way = this.#way;
    if (way === null || this.#over) return;
    this.#guard(() => {
      const { input } = this.#stream;
      const bytes = input.take();
      let at = 0;
      while (at < bytes.length) {
        const next = way.receive(bytes, at, bytes.length);
        at = way.position;
        if (next === true) {
          this.#way = null;
          this.#asksProxy = false;
          this.#stream.disable(EV_READ);
          // What the other end has said already belongs to whoever comes next.
          if (at < bytes.length) input.prepend(bytes.subarray(at));
          this.#connected();
          return;
        }
        if (next !== null) this.#stream.write(next);
      }
    });
  }

  /** What a layer or a proxy throws is a failure like others. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      // The stream was handed over, and whoever has it now has thrown.
      if (this.#over) throw error;
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #succeed(): void {
    this.#end();
    const stream = this.#stream;
    stream.setCallbacks({});
    this.#owner.opened(stream);
  }
}

/**
 * Opens a stream to a target, through a proxy and with TLS if that is asked for, and waits until all of it stands. When it rejects,
 * nothing is left open.
 *
 * It rejects with a `SystemError` or `HostConnectError` when there is no connection, a {@linkcode ProxyError}, what the secure layer
 * has failed with (a `TlsError`), a `ConnectionError` (`TIMEOUT`, `END_OF_STREAM`), the reason of an aborted signal, or a `TypeError`
 * or `RangeError` for arguments that are none.
 *
 * @example
 * ```ts
 * import { EventBase, openStream } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const opening = openStream(base, { host: "127.0.0.1", port: 1 }, { connectTimeoutMs: 1000 });
 * opening.catch((error: { code?: string }) => console.log(error.code)); // ECONNREFUSED
 * await base.run();
 * ```
 */
export function openStream(
  base: EventBase,
  target: StreamTarget,
  options: ConnectorOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<BufferEvent> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    signal?.throwIfAborted();
    const settle = (): void => signal?.removeEventListener("abort", abort);
    const opening = new StreamOpening(base, target, options, {
      opened: (stream) => {
        settle();
        resolve(stream);
      },
      failed: (error) => {
        settle();
        reject(error);
      },
    });
    function abort(): void {
      opening.cancel();
      settle();
      reject(signal!.reason);
    }
    signal?.addEventListener("abort", abort);
  });
}

function timeoutOf({ connectTimeoutMs = CONNECT_TIMEOUT_MS }: ConnectorOptions): number {
  if (connectTimeoutMs > 0) return connectTimeoutMs;
  throw new RangeError(`Cannot connect within ${connectTimeoutMs} ms: expected a number above zero`);
}

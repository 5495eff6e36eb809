import {
  EVENT_LOG_WARN,
  type EventBase,
  formatSocketAddress,
  type IpSocketAddress,
  type LogCallback,
} from "../core/mod.ts";
import type { DeadlineList } from "../core/deadline_list.ts";
import { LoopEvent } from "../core/event.ts";
import { EVDNS_TYPE_NS } from "./constants.ts";
import type { OwnPorts } from "./own_ports.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";
import { TcpChannel, type TcpWay } from "./tcp_channel.ts";
import { Transmission, type TransmissionOwner } from "./transmission.ts";
import { UdpChannel } from "./udp_channel.ts";
import { WireQuestion } from "./wire_question.ts";

/** What all name servers of a resolver share. */
export interface NameServerSurroundings {
  /** The loop. */
  readonly base: EventBase;
  /** The settings in force. */
  readonly settings: DnsResolverSettings;
  /** How to reach them over TCP. */
  readonly way: TcpWay;
  /** The ports of one's own that they are asked from. */
  readonly ports: OwnPorts;
  /** Queries whose time runs. */
  readonly times: DeadlineList<Transmission>;
  /** Told what happens. */
  readonly log: LogCallback;
}

/** What a probe asks for: who serves the root, which every resolver knows. */
const PROBE_TYPE = EVDNS_TYPE_NS;

/** So many questions that were answered only without EDNS are no chance any more. */
const EDNS_MISSED_MAX = 3;

/** A name server: its channels, and how it is. */
export class NameServer implements TransmissionOwner {
  /** @internal A probe asks about the root. */
  readonly writtenName = ".";
  /** Where it is. */
  readonly address: IpSocketAddress;
  /** Whether it has left too many queries in a row without an answer, and was not heard of since. */
  isDown = false;
  /** Queries in a row without an answer. */
  timeouts = 0;
  /** Whether it has refused to understand a query because of EDNS. */
  refusesEdns = false;
  /** Whether it has answered a query with EDNS. */
  knowsEdns = false;
  /** How many questions it has answered only when they were repeated without EDNS. */
  #missedEdns = 0;
  /** Queries sent to it, probes included. */
  sent = 0;
  /** Answers of any kind from it. */
  answers = 0;
  readonly #surroundings: NameServerSurroundings;
  readonly #probeTimer: LoopEvent;
  #probeMs = 0;
  #probe: Transmission | null = null;
  #udp: UdpChannel | null = null;
  #tcp: TcpChannel | null = null;
  #isClosed = false;

  constructor(address: IpSocketAddress, surroundings: NameServerSurroundings) {
    this.address = address;
    this.#surroundings = surroundings;
    // A daemon that waits for nothing else shall end, whatever state its name servers are in.
    this.#probeTimer = new LoopEvent(surroundings.base, -1, 0, () => this.#sendProbe(), true);
  }

  /** Its address as text. */
  get label(): string {
    return formatSocketAddress(this.address);
  }

  /** Sends a query by the channel it is meant for, and lets its time run. A failure is told to its owner, perhaps before this returns. */
  send(transmission: Transmission): void {
    const { settings, times } = this.#surroundings;
    let channel: UdpChannel | TcpChannel;
    try {
      channel = transmission.overTcp ? this.#tcpChannel() : this.#udpChannel();
    } catch (error) {
      transmission.owner.failed(transmission, error);
      return;
    }
    this.sent++;
    times.add(transmission, settings.timeoutMs);
    channel.send(transmission);
  }

  #udpChannel(): UdpChannel {
    const { base, settings, ports } = this.#surroundings;
    if (this.#udp !== null && !this.#udp.isUsedUp) return this.#udp;
    const fresh = new UdpChannel(base, this.address, settings, ports);
    this.#udp?.retire();
    return this.#udp = fresh;
  }

  #tcpChannel(): TcpChannel {
    const { base, settings, way } = this.#surroundings;
    if (this.#tcp !== null && !this.#tcp.isUsedUp) return this.#tcp;
    return this.#tcp = new TcpChannel(base, this.address, settings, way);
  }

  /**
   * Takes new sockets from now on, which settings may have changed. Answers the queries that have to be sent anew once all name servers have
   * done so, since their sockets have one port: those that are still waited for by then.
   */
  renewSockets(): Transmission[] {
    const before = this.#udp;
    this.#udp = null;
    this.retireTcp();
    // Two sockets with one port to one server cannot be told apart, so this one is closed at once.
    if (before?.hasOwnPort === true) return before.handOver().filter(({ channel }) => channel === before);
    before?.retire();
    return [];
  }

  /** Does without the connection there is, which does not answer. */
  retireTcp(): void {
    this.#tcp?.retire();
    this.#tcp = null;
  }

  /** It has answered something. */
  isHeardOf(): void {
    this.answers++;
    this.timeouts = 0;
    if (!this.isDown) return;
    this.isDown = false;
    this.#probeTimer.delete();
    this.#endProbe();
    this.#surroundings.log(EVENT_LOG_WARN, `The name server ${this.label} is up again`);
  }

  /** It has not answered, or cannot be reached. */
  isMissed(): void {
    this.timeouts++;
    const { settings, log } = this.#surroundings;
    if (this.isDown || this.timeouts < settings.maxTimeouts || this.#isClosed) return;
    this.isDown = true;
    // It may be another one, or a newer version of it, that comes up again.
    this.refusesEdns = this.knowsEdns = false;
    this.#missedEdns = 0;
    this.#probeMs = Math.min(settings.initialProbeMs, settings.maxProbeMs);
    this.#probeTimer.add(this.#probeMs);
    log(EVENT_LOG_WARN, `The name server ${this.label} is down: ${this.timeouts} queries in a row were not answered`);
  }

  /** It has said nothing to a query with EDNS, and has answered one without: once may be chance. */
  missedEdns(): void {
    if (++this.#missedEdns >= EDNS_MISSED_MAX && !this.knowsEdns) this.refusesEdns = true;
  }

  #sendProbe(): void {
    this.#endProbe();
    const { settings, way } = this.#surroundings;
    const overTcp = settings.useTcp || way.tls !== undefined;
    const question = WireQuestion.take(this.writtenName, PROBE_TYPE, false);
    this.#probe = new Transmission(this, this, question, overTcp, 512, false);
    this.send(this.#probe);
  }

  #endProbe(): void {
    this.#probe?.forget();
    this.#probe = null;
  }

  #probedInVain(): void {
    this.#endProbe();
    const { settings } = this.#surroundings;
    this.#probeMs = Math.min(this.#probeMs * settings.probeBackoffFactor, settings.maxProbeMs);
    if (!this.#isClosed && this.isDown) this.#probeTimer.add(this.#probeMs);
  }

  /** @internal The probe was answered, with whatever. */
  answered(): void {
    this.isHeardOf();
  }

  /** @internal */
  garbled(): void {
    this.isHeardOf();
  }

  /** @internal The root has no letters. */
  wrongCase(): void {
    this.isHeardOf();
  }

  /** @internal */
  failed(): void {
    this.#probedInVain();
  }

  /** @internal */
  timedOut(): void {
    this.#probedInVain();
  }

  /** Gives everything back. Whoever waits for it has to forget his queries. */
  close(): void {
    this.#isClosed = true;
    this.#endProbe();
    this.#probeTimer.close();
    this.#udp?.close();
    this.#tcp?.close();
    this.#udp = this.#tcp = null;
  }
}

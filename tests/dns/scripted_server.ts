/** A name server for tests that does what it is told, over UDP and TCP, and on the loop of the resolver it serves. */
import {
  buildDnsMessage,
  Datagram,
  type DatagramOptions,
  DNS_FLAG_RECURSION_AVAILABLE,
  DNS_FLAG_RESPONSE,
  DNS_FLAG_TRUNCATED,
  type DnsData,
  type DnsMessage,
  type DnsQuestion,
  dnsRecord,
  dnsTypeName,
  EV_READ,
  type EventBase,
  formatSocketAddress,
  Listener,
  normalDnsName,
  parseDnsMessage,
  type SecureLayer,
  simpleEdns,
  type SocketAddress,
  SocketBufferEvent,
} from "../../mod.ts";

/** What can be said in an answer beside its records. */
export interface AnswerExtras {
  readonly rcode?: number;
  readonly authorities?: readonly (readonly [name: string, ttl: number, data: DnsData])[];
  readonly truncated?: boolean;
  /** Flags to be used in place of "response, recursion available". */
  readonly flags?: number;
  readonly edns?: boolean;
}

/** A query that has come in, and how to answer it. */
export interface ScriptedQuery {
  readonly message: DnsMessage;
  readonly question: DnsQuestion;
  /** The name in lower case and the type, such as `www.test A`. */
  readonly asked: string;
  readonly overTcp: boolean;
  readonly sender: SocketAddress;
  readonly bytes: Uint8Array;
  /** Answers with records of the name that was asked for, or with whole records. */
  answer(data: readonly (DnsData | readonly [name: string, ttl: number, data: DnsData])[], extras?: AnswerExtras): void;
  /** Answers with a response code. */
  refuse(rcode: number, extras?: AnswerExtras): void;
  /** Sends bytes, over TCP with their length in front. */
  send(bytes: Uint8Array): void;
  /** Over TCP: closes the connection. */
  hangUp(): void;
}

/** What a server does with each query. */
export type Script = (query: ScriptedQuery, server: ScriptedServer) => void;

/** Seconds that answers may be remembered unless it is said. */
export const TTL = 60;

export class ScriptedServer implements Disposable {
  /** What was asked, each with "over TCP" where that was so. */
  readonly asked: string[] = [];
  readonly queries: ScriptedQuery[] = [];
  readonly udp: Datagram;
  /** How many TCP connections were accepted. */
  accepted = 0;
  script: Script;
  readonly #connections = new Set<{ close(): void }>();
  readonly #listener: Listener | undefined;

  constructor(base: EventBase, script: Script, options: DatagramOptions & { tcp?: boolean; tls?: SecureLayer } = {}) {
    this.script = script;
    for (let attempt = 1;; attempt++) {
      const udp = new Datagram(base, { port: 0, ...options }, (datagram) => {
        const { sender } = datagram;
        this.#received(datagram.bytes.slice(), sender, false, (bytes) => void udp.send(bytes, sender), () => {});
      });
      try {
        this.#listener = options.tcp === false ? undefined : this.#listen(base, udp.port, options);
        this.udp = udp;
        return;
      } catch (error) {
        // Somebody else has the TCP port of that number.
        udp.close();
        if (attempt === 20) throw error;
      }
    }
  }

  #listen(base: EventBase, port: number, options: DatagramOptions & { tls?: SecureLayer }): Listener {
    return new Listener(base, { port, host: options.host ?? "127.0.0.1" }, (fd, { peerAddress: sender }) => {
      this.accepted++;
      const socket = new SocketBufferEvent(base, fd);
      const stream = options.tls === undefined ? socket : options.tls.secure(socket);
      this.#connections.add(stream);
      const hangUp = (): void => {
        this.#connections.delete(stream);
        stream.close();
      };
      stream.setCallbacks({
        read: ({ input }) => {
          while (!stream.closed && input.length >= 2) {
            const header = new Uint8Array(2);
            input.copyOut(header);
            const length = header[0]! << 8 | header[1]!;
            if (input.length < 2 + length) return;
            input.drain(2);
            this.#received(input.take(length), sender, true, (bytes) => {
              if (stream.closed) return;
              stream.write(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff));
              stream.write(bytes);
            }, hangUp);
          }
        },
        event: (what) => {
          if ((what & 0x80) === 0) hangUp();
        },
      });
      stream.enable(EV_READ);
    });
  }

  /** Its address as text. */
  get address(): string {
    return formatSocketAddress(this.udp.address);
  }

  /** TCP connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  #received(
    bytes: Uint8Array,
    sender: SocketAddress,
    overTcp: boolean,
    send: (bytes: Uint8Array) => void,
    hangUp: () => void,
  ): void {
    const message = parseDnsMessage(bytes);
    const question = message.questions[0]!;
    const asked = `${normalDnsName(question.name)} ${dnsTypeName(question.type)}`;
    const answer: ScriptedQuery["answer"] = (data, extras = {}) => {
      const { rcode = 0, flags = DNS_FLAG_RESPONSE | DNS_FLAG_RECURSION_AVAILABLE } = extras;
      send(buildDnsMessage({
        id: message.id,
        flags: flags | rcode | (extras.truncated === true ? DNS_FLAG_TRUNCATED : 0),
        questions: [question],
        answers: data.map((one) => "kind" in one ? dnsRecord(question.name, TTL, one) : dnsRecord(...one)),
        authorities: (extras.authorities ?? []).map((one) => dnsRecord(...one)),
        additionals: [],
        edns: extras.edns === true ? simpleEdns(1232) : undefined,
      }));
    };
    const refuse = (rcode: number, extras: AnswerExtras = {}): void => answer([], { ...extras, rcode });
    const query = { message, question, asked, overTcp, sender, bytes, answer, refuse, send, hangUp };
    this.asked.push(overTcp ? `${asked} over TCP` : asked);
    this.queries.push(query);
    this.script(query, this);
  }

  [Symbol.dispose](): void {
    this.udp.close();
    this.#listener?.close();
    for (const connection of this.#connections) connection.close();
  }
}

/** Data of an A record. */
export function a(address: string): DnsData {
  return { kind: "A", address };
}

/** Data of an AAAA record. */
export function aaaa(address: string): DnsData {
  return { kind: "AAAA", address };
}

/** Data of a CNAME record. */
export function cname(target: string): DnsData {
  return { kind: "CNAME", target };
}

/** Data of an SOA record that says how long absence may be remembered. */
export function soa(minimum: number): DnsData {
  const times = { serial: 1, refresh: 1, retry: 1, expire: 1, minimum };
  return { kind: "SOA", primary: "ns.test", mailbox: "root.test", ...times };
}

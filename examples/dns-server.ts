/**
 * Answers DNS queries over UDP and TCP: for a zone file, and for everything else as libevent's sample does.
 *
 * ```sh
 * deno run --allow-ffi examples/dns-server.ts [options] [zone file]
 * bun examples/dns-server.ts [options] [zone file]
 * ```
 *
 * `--help` lists the options. Try it with `dig @127.0.0.1 -p 10053 www.example.org`.
 */
import { parseArgs } from "node:util";
import {
  backendNames,
  DNS_ERR_NOTEXIST,
  type DnsHandler,
  DnsServer,
  type DnsServerRequest,
  dnsTypeName,
  EvBuffer,
  EVDNS_TYPE_A,
  EVDNS_TYPE_PTR,
  formatSocketAddress,
  OpenFile,
  Zone,
  zoneHandler,
} from "../mod.ts";
import { endOnSignals, openBase, orRefuse, runMain, UsageError, wholeNumber } from "./shared/program.ts";

const USAGE = `Usage: dns-server [options] [ZONE FILE]

Answers DNS queries over UDP and TCP: with the records of a zone file (by default a small one for example.org), and otherwise
A with 192.168.11.11 and PTR with foo.bar.example.com.

  -p, --port PORT      port to listen on, 0 for a free one (10053)
  -H, --host ADDRESS   address to listen on (127.0.0.1)
  -v, --verbose        print each question
      --backend NAME   how to wait for events: ${backendNames().join(", ")}
      --run            run beside the host's own event loop
  -h, --help           print this text
`;

const EXAMPLE_ZONE = `
$ORIGIN example.org.
$TTL 1h
@       SOA    ns hostmaster (
               1    ; serial
               1d   ; refresh
               2h   ; retry
               4w   ; expire
               5m ) ; how long to remember that there is nothing
        NS     ns
        MX     10 mail
        TXT    "served by evbase"
        CAA    0 issue "ca.example.net"
ns      A      192.0.2.53
        AAAA   2001:db8::53
mail    A      192.0.2.25
web     A      192.0.2.80
        AAAA   2001:db8::80
        HTTPS  1 . alpn=h2
www     CNAME  web
*.test  A      192.0.2.99
`;

// deno-lint-ignore explicit-function-return-type -- parseArgs infers the options' types from their table
function readOptions() {
  return orRefuse(() =>
    parseArgs({
      options: {
        port: { type: "string", short: "p", default: "10053" },
        host: { type: "string", short: "H", default: "127.0.0.1" },
        verbose: { type: "boolean", short: "v", default: false },
        backend: { type: "string" },
        run: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: true,
    })
  );
}

/** What libevent's dns-example answers with its option -T. */
function answerAsSample(request: DnsServerRequest): void {
  const { name, type } = request.question;
  if (type === EVDNS_TYPE_A) request.addA(name, "192.168.11.11", 10);
  else if (type === EVDNS_TYPE_PTR) request.addPtr(name, "foo.bar.example.com", 10);
  else return void request.respond(DNS_ERR_NOTEXIST);
  request.respond();
}

function handlerFor(zone: Zone, isVerbose: boolean): DnsHandler {
  const answerFromZone = zoneHandler([zone]);
  return (request) => {
    const { name, type } = request.question;
    if (isVerbose) console.log(`${formatSocketAddress(request.remoteAddress)} asks for ${name} ${dnsTypeName(type)}`);
    return zone.covers(name) ? answerFromZone(request) : answerAsSample(request);
  };
}

function readZone(path: string | undefined): Zone {
  if (path === undefined) return Zone.parse(EXAMPLE_ZONE);
  // By way of the library, since --allow-ffi is all the permission it has.
  using file = OpenFile.open(path);
  const contents = new EvBuffer();
  contents.addFile(file.detach(), 0, file.size, { closeOnFree: true });
  contents.loadFiles();
  const text = contents.takeText();
  contents.close();
  return Zone.parse(text);
}

await runMain("dns-server", async () => {
  const { values: options, positionals } = readOptions();
  if (options.help) {
    console.log(USAGE.trimEnd());
    return 0;
  }
  if (positionals.length > 1) throw new UsageError("one zone file at most");
  const port = wholeNumber("--port", options.port, 0, 65_535);
  const zone = readZone(positionals[0]);
  using base = openBase(options.backend);
  using server = new DnsServer(base, {
    onSystemError: (error) => console.error(`dns-server: ${error.message}`),
  }, handlerFor(zone, options.verbose));
  const picked = server.listen({ host: options.host, port }).port;
  const signals = endOnSignals(base);
  console.log(`listening on dns://${options.host.includes(":") ? `[${options.host}]` : options.host}:${picked}`);
  if (options.run) await base.run();
  else base.dispatch();
  for (const signal of signals) signal.close();
  return 0;
});

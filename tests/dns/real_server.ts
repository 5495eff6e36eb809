/** Name servers of other people, each with the same small zone, on a free port of this host. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Datagram, EventBase, Listener } from "../../mod.ts";
import type { Issued } from "../tls/certificate_folder.ts";
import { Peer } from "../tls/peer_program.ts";

/** How one of them is started. */
export interface RealServer {
  readonly command: string;
  readonly debianPackage: string;
  /** Writes its files into a folder; answers its arguments. */
  prepare(folder: string, port: number): string[];
}

/** So many addresses do not fit into a datagram of 1232 bytes, and more of them bind does not load. */
export const MANY = 100;

const manyAddresses = Array.from({ length: MANY }, (_, index) => `10.0.${index >> 7}.${(index & 127) + 1}`);

/** The zone, in the form of RFC 1035. */
const ZONE = `$ORIGIN test.
$TTL 300
@ IN SOA ns root 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.1
www IN AAAA 2001:db8::1
alias IN CNAME www
@ IN MX 10 mail
txt IN TXT "hello" "world"
host.search IN A 192.0.2.9
${manyAddresses.map((address) => `many IN A ${address}`).join("\n")}
`;

/** Further lines of unbound's `server` section, for a port. */
type MoreOfUnbound = (port: number) => readonly string[];

function unbound(more: MoreOfUnbound): RealServer {
  return {
    command: "unbound",
    debianPackage: "unbound",
    prepare: (folder, port) => prepareUnbound(folder, port, more),
  };
}

export const UNBOUND: RealServer = unbound(() => []);

/** Unbound that talks TLS alone, and closes a connection that was idle for so many milliseconds. */
export function unboundOverTls({ keyFile, certificateFile }: Issued, idleMs: number): RealServer {
  return unbound((port) => [
    `tls-port: ${port}`,
    `tls-service-key: "${keyFile}"`,
    `tls-service-pem: "${certificateFile}"`,
    `tcp-idle-timeout: ${idleMs}`,
  ]);
}

/** Unbound that verifies the signatures of a zone by the key that it trusts. */
export const VERIFYING_UNBOUND: RealServer = {
  command: "unbound",
  debianPackage: "unbound",
  prepare(folder, port) {
    const run = (command: string, ...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: "utf8" });
      if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
      return stdout.trim();
    };
    const keys = [[], ["-f", "KSK"]].map((more) =>
      `${run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", ...more, "signed.example")}.key`
    );
    const zone = ["$TTL 300", "@ SOA ns root 1 3600 600 86400 60", "@ NS ns", "ns A 127.0.0.1", "www A 192.0.2.1"];
    writeFileSync(join(folder, "zone"), [...zone, ...keys.map((key) => `$INCLUDE ${key}`), ""].join("\n"));
    run("dnssec-signzone", "-q", "-o", "signed.example", "-f", "zone.signed", "zone");
    return configureUnbound(
      folder,
      port,
      `  module-config: "validator iterator"
  trust-anchor-file: "${join(folder, keys[1]!)}"
auth-zone:
  name: "signed.example"
  zonefile: "${join(folder, "zone.signed")}"
  for-downstream: no
  for-upstream: yes`,
    );
  },
};

/** Writes a configuration that goes on with `rest` in its server clause; returns the arguments to start with. */
function configureUnbound(folder: string, port: number, rest: string): string[] {
  const file = join(folder, "unbound.conf");
  writeFileSync(
    file,
    `server:
  interface: 127.0.0.1
  port: ${port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
${rest}
remote-control:
  control-enable: no
`,
  );
  return ["-d", "-c", file];
}

function prepareUnbound(folder: string, port: number, more: MoreOfUnbound): string[] {
  const records = ZONE.split("\n").filter((line) => / IN /.test(line)).map((line) => {
    const [name, ...rest] = line.split(" ");
    const full = rest.join(" ").replace(/(CNAME|NS) (\w+)$/, "$1 $2.test.").replace(/10 mail$/, "10 mail.test.")
      .replace("SOA ns root", "SOA ns.test. root.test.");
    return `  local-data: '${name === "@" ? "test." : `${name}.test.`} 300 ${full}'`;
  });
  return configureUnbound(
    folder,
    port,
    `  do-not-query-localhost: no
  local-zone: "test." static
${[...more(port).map((line) => `  ${line}`), ...records].join("\n")}`,
  );
}

export const DNSMASQ: RealServer = {
  command: "dnsmasq",
  debianPackage: "dnsmasq-base",
  prepare(folder, port) {
    const hosts = join(folder, "hosts");
    writeFileSync(hosts, manyAddresses.map((address) => `${address} many.test`).join("\n") + "\n");
    return [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      `--addn-hosts=${hosts}`,
      `--port=${port}`,
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      "--local=/test/",
      "--host-record=www.test,192.0.2.1,2001:db8::1,300",
      "--host-record=host.search.test,192.0.2.9,300",
      "--cname=alias.test,www.test,300",
      "--mx-host=test,mail.test,10",
      "--txt-record=txt.test,hello,world",
      "--pid-file=",
      "--user=root",
      "--log-facility=-",
    ];
  },
};

export const KNOT: RealServer = {
  command: "knotd",
  debianPackage: "knot",
  prepare(folder, port) {
    writeFileSync(join(folder, "test.zone"), ZONE);
    const file = join(folder, "knot.conf");
    writeFileSync(
      file,
      `server:
    rundir: "${folder}"
    listen: 127.0.0.1@${port}
database:
    storage: "${folder}"
template:
  - id: default
    storage: "${folder}"
    zonefile-sync: -1
zone:
  - domain: test
    file: "test.zone"
`,
    );
    return ["-c", file];
  },
};

export const BIND: RealServer = {
  command: "named",
  debianPackage: "bind9",
  prepare(folder, port) {
    writeFileSync(join(folder, "test.zone"), ZONE);
    const file = join(folder, "named.conf");
    writeFileSync(
      file,
      `options {
  directory "${folder}";
  pid-file none;
  session-keyfile "${folder}/session.key";
  managed-keys-directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
};
controls {};
zone "test" { type primary; file "test.zone"; };
`,
    );
    return ["-g", "-c", file];
  },
};

/** A running one. */
export class RunningServer {
  readonly address: string;
  readonly peer: Peer;
  readonly #folder: string;

  constructor(server: RealServer) {
    const port = freePort();
    this.address = `127.0.0.1:${port}`;
    this.#folder = mkdtempSync(join(tmpdir(), "evbase-peer-"));
    // Some of them become another user.
    chmodSync(this.#folder, 0o777);
    this.peer = new Peer(server.command, server.prepare(this.#folder, port));
  }

  async stop(): Promise<void> {
    await this.peer.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A port that is free over UDP and TCP, as far as one can know. */
function freePort(): number {
  using base = new EventBase();
  for (let attempt = 1;; attempt++) {
    using udp = new Datagram(base, { port: 0 }, () => {});
    try {
      new Listener(base, { port: udp.port }, () => {}).close();
      return udp.port;
    } catch (error) {
      if (attempt === 20) throw error;
    }
  }
}

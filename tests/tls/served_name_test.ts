/** The name that chooses a server's context is the one that its program is told, whatever the client says later. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/mod.ts";
import type { TlsServerOptions } from "../../src/tls/mod.ts";
import { openssl } from "../../src/tls/openssl.ts";
import { SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name } from "../../src/tls/openssl_constants.ts";
import { TlsDetails } from "../../src/tls/tls_details.ts";
import { TlsEngine } from "../../src/tls/tls_engine.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "./tls_support.ts";

function feed(engine: TlsEngine, buffer: EvBuffer): void {
  const bytes = buffer.take();
  for (let at = 0; at < bytes.length;) at = engine.feed(bytes, at, bytes.length);
}

/** Says `first` in its first hello and `second` in the one that the server asks for; returns the name that the server is told. */
function nameTold(first: string, second: string, options: Partial<TlsServerOptions>): string {
  // The server does not take the key that comes with the first hello.
  using clients = clientContext({ groups: "X25519:P-384" });
  using servers = serverContext({ ...options, groups: "P-384" });
  using toServer = new EvBuffer();
  using toClient = new EvBuffer();
  const client = new TlsEngine(clients, toServer, { serverName: first, verifyHostname: false });
  const server = new TlsEngine(servers, toClient);
  try {
    client.start();
    feed(server, toServer);
    const name = new TextEncoder().encode(`${second}\0`);
    openssl().ssl.SSL_ctrl(client.connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name);
    for (let round = 0; round < 4; round++) {
      feed(client, toClient);
      feed(server, toServer);
    }
    assert(client.isOpen && server.isOpen, `${client.error} ${server.error}`);
    return new TlsDetails(server).serverName;
  } finally {
    client.close();
    server.close();
  }
}

describe("the name that a TLS server is told", () => {
  for (const chooses of [false, true]) {
    const which = chooses ? "chooses a context" : "has one context";
    itNeeds(
      "openssl",
      "openssl",
      `is that of the first hello, also when the second has another, where it ${which}`,
      () => {
        const options = chooses ? { selectContext: () => undefined } : {};
        assertEquals(nameTold("public.example", "admin.example", options), "public.example");
      },
    );
  }
});

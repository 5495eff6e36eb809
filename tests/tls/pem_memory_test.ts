/** What OpenSSL reads from must not be collected meanwhile. */
import { assertEquals, assertThrows } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { openssl } from "../../src/tls/openssl.ts";
import { TlsContext } from "../../src/tls/mod.ts";
import { garbageCollector } from "../support/garbage.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "./certificate_folder.ts";

describe("a bundle of authorities", () => {
  itNeeds("openssl", "openssl", "stays in memory until all of it was read, whatever is collected meanwhile", () => {
    const { authority } = testCertificates();
    const bundle = authority.certificate.repeat(12);
    const crypto = openssl().crypto as { X509_STORE_add_cert: (store: never, certificate: never) => number };
    const original = crypto.X509_STORE_add_cert;
    const litter: Uint8Array[] = [];
    const collect = garbageCollector();
    let count = 0;
    crypto.X509_STORE_add_cert = (store, certificate) => {
      count++;
      collect();
      // Whatever has become free is soon used for something else.
      for (let i = 0; i < 50; i++) litter.push(new Uint8Array(new ArrayBuffer(bundle.length)).fill(0x41));
      return original(store, certificate);
    };
    try {
      using context = TlsContext.client({ ca: bundle });
      assertEquals([context.role, count], ["client", 12]);
    } finally {
      crypto.X509_STORE_add_cert = original;
    }
    assertEquals(litter.length, 12 * 50);
    assertThrows(() => TlsContext.client({ ca: `${bundle}-----BEGIN CERTIFICATE-----\n????` }), Error, "TLS_BAD_CA");
  });
});

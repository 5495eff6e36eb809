/** What OpenSSL reads from must not be collected meanwhile. */
import { assertEquals, assertThrows } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { runtime } from "../../src/ffi/mod.ts";
import { openssl } from "../../src/tls/openssl.ts";
import { TlsContext } from "../../src/tls/mod.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "./certificate_folder.ts";

/** Collects garbage, all of it. */
function collectGarbage(): void {
  if (runtime.name === "bun") {
    (globalThis as unknown as { Bun: { gc(synchronous: boolean): void } }).Bun.gc(true);
    return;
  }
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

describe("a bundle of authorities", () => {
  itNeeds("openssl", "openssl", "stays in memory until all of it was read, whatever is collected meanwhile", () => {
    const { authority } = testCertificates();
    const bundle = authority.certificate.repeat(12);
    const crypto = openssl().crypto as { X509_STORE_add_cert: (store: never, certificate: never) => number };
    const original = crypto.X509_STORE_add_cert;
    const litter: Uint8Array[] = [];
    let count = 0;
    crypto.X509_STORE_add_cert = (store, certificate) => {
      count++;
      collectGarbage();
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

/** Holds the numbers we took from OpenSSL's headers against those headers: the compiler judges them without producing code. */
import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import * as constants from "../../src/tls/openssl_constants.ts";
import { alertNames } from "../../src/tls/alerts.ts";
import { reasonCodes } from "../../src/tls/error_queue.ts";
import { verifyCodes } from "../../src/tls/verify_codes.ts";
import { itNeeds } from "../support/requires.ts";

/** What the compiler says about a C text. */
function complaints(text: string): string {
  const { stderr } = spawnSync("cc", ["-fsyntax-only", "-x", "c", "-"], { input: text, encoding: "utf8" });
  return stderr;
}

const headers = ["ssl", "err", "x509", "x509v3", "pem", "sslerr", "bio", "objects"].map((name) =>
  `#include <openssl/${name}.h>\n`
);

function assertions(entries: readonly (readonly [string, number])[]): string {
  return headers.join("") +
    entries.map(([name, value]) => `_Static_assert((${name}) == ${value}, "${name}");\n`).join("");
}

describe("the numbers from OpenSSL's headers", () => {
  const title = "are those of the headers at hand (needs libssl-dev)";
  if (existsSync("/usr/include/openssl/ssl.h")) {
    itNeeds("cc", "gcc", title, () => {
      const named = Object.entries(constants).filter(([name]) => name !== "SSL_OP_ALLOW_CLIENT_RENEGOTIATION");
      assertGreater(named.length, 30);
      assertEquals(complaints(assertions(named)), "");
      const verdicts = Object.entries(verifyCodes).map(([value, name]) =>
        [`X509_V_ERR_${name}`, Number(value)] as const
      );
      assertEquals(complaints(assertions(verdicts)), "");
      const alerts = Object.entries(alertNames).filter(([value]) => ![21, 30, 41].includes(Number(value))).map((
        [value, name],
      ) => [`SSL_AD_${name.toUpperCase().replace("USER_CANCELED", "USER_CANCELLED")}`, Number(value)] as const);
      const guarded = alerts.map(([name, value]) =>
        `#ifdef ${name}\n_Static_assert(${name} == ${value}, "${name}");\n#endif\n`
      );
      assertEquals(complaints(headers.join("") + guarded.join("")), "");
    });

    itNeeds("cc", "gcc", "and the layout of a memory BIO's memory", () => {
      const layout: [string, number][] = [
        ["offsetof(BUF_MEM, length)", 0],
        ["sizeof(((BUF_MEM *)0)->length)", 8],
        ["offsetof(BUF_MEM, data)", 8],
        ["offsetof(BUF_MEM, max)", 16],
        ["sizeof(BUF_MEM) <= 32", 1],
      ];
      assertEquals(complaints(`#include <stddef.h>\n#include <openssl/buffer.h>\n${assertions(layout)}`), "");
    });

    itNeeds("cc", "gcc", "are compared at all: a wrong one is noticed", () => {
      assertEquals(complaints(assertions([["SSL_ERROR_SSL", 2]])).includes("SSL_ERROR_SSL"), true);
    });

    itNeeds("cc", "gcc", "name the reasons that have codes of their own", () => {
      const reasons: Record<string, string> = {
        TLS_NO_CERTIFICATE: "NO_CERTIFICATE_ASSIGNED",
        TLS_BAD_RECORD_MAC: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        TLS_UNSAFE_LEGACY_RENEGOTIATION: "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
      };
      const several: Record<number, string> = {
        155: "HTTPS_PROXY_REQUEST",
        198: "PACKET_LENGTH_TOO_LONG",
        146: "DATA_LENGTH_TOO_LONG",
        150: "ENCRYPTED_LENGTH_TOO_LONG",
        252: "UNKNOWN_PROTOCOL",
        396: "VERSION_TOO_LOW",
      };
      const entries = Object.entries(reasonCodes).map(([value, code]) =>
        [`SSL_R_${several[Number(value)] ?? reasons[code] ?? code.slice(4)}`, Number(value)] as const
      );
      assertEquals(complaints(assertions(entries)), "");
    });
  }
});

describe("the codes for what OpenSSL says", () => {
  it("are all in the guide", () => {
    const guide = readFileSync(new URL("../../docs/tls.md", import.meta.url), "utf8");
    const missing = Object.values(reasonCodes).filter((code) => !guide.includes(`\`${code}\``));
    assertEquals(missing, []);
  });
});

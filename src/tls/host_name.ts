/**
 * Whom a client wants to reach, as TLS sees it.
 *
 * @module
 */

import { cString, parseIpv4, parseIpv6, type Word } from "../ffi/mod.ts";
import { openssl } from "./openssl.ts";
import {
  SSL_CTRL_SET_TLSEXT_HOSTNAME,
  TLSEXT_NAMETYPE_host_name,
  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
} from "./openssl_constants.ts";

const NAME_BYTES_MAX = 253;

/** A star stands for a whole label, and only alternative names count, not the common name (RFC 9525 sections 2 and 6.3). */
const STRICT = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

/** A host name or an IP address. */
export class HostName {
  /** Without brackets and without the dot of the root. */
  readonly text: string;
  /** Whether it is an IP address, which is never sent as a server's name and is compared with other fields of a certificate. */
  readonly isIp: boolean;
  readonly #bytes: Uint8Array;

  /** @throws {TypeError} for what can be neither. */
  constructor(host: string) {
    const bare = host.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
    this.isIp = parseIpv4(bare) !== null || parseIpv6(bare) !== null;
    this.text = this.isIp ? bare : host.replace(/\.$/, "");
    if (!this.isIp && (this.text.length > NAME_BYTES_MAX || !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(this.text))) {
      throw new TypeError(
        `Cannot reach ${JSON.stringify(host)}: neither an IP address nor a host name in ASCII (for others: xn--...)`,
      );
    }
    this.#bytes = cString(this.text);
  }

  /** Has the handshake fail unless the server's certificate is for it; false where that cannot be had. */
  requireOf(ssl: Word): boolean {
    const lib = openssl();
    const param = lib.ssl.SSL_get0_param(ssl);
    lib.crypto.X509_VERIFY_PARAM_set_hostflags(param, STRICT);
    return this.isIp
      ? lib.crypto.X509_VERIFY_PARAM_set1_ip_asc(param, this.#bytes) === 1
      : lib.crypto.X509_VERIFY_PARAM_set1_host(param, this.#bytes, 0) === 1;
  }

  /** Whether a certificate is for it. */
  isNamedIn(certificate: Word, nothing: Word): boolean {
    const { crypto } = openssl();
    const found = this.isIp
      ? crypto.X509_check_ip_asc(certificate, this.#bytes, 0)
      : crypto.X509_check_host(certificate, this.#bytes, 0, STRICT, nothing);
    return found === 1;
  }

  /** Tells the server whom it is asked for (SNI), unless it is an address. */
  announce(ssl: Word): void {
    if (this.isIp) return;
    openssl().ssl.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, this.#bytes);
  }
}

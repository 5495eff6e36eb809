/**
 * Where each operating system keeps OpenSSL, and whom it trusts.
 *
 * @module
 */

/** File names of OpenSSL's two libraries. */
export interface OpensslNames {
  /** The protocol. */
  readonly ssl: string;
  /** The cryptography and everything else below it. */
  readonly crypto: string;
}

/** What an operating system has to say about OpenSSL. */
export interface OpensslData {
  /** File names of the libraries to try, in order; both of a pair belong to the same version. */
  readonly opensslNames: readonly OpensslNames[];
  /** What to install where there is no OpenSSL, as a part of a sentence. */
  readonly opensslHint: string;
  /** Files that hold the system's certificate authorities in PEM, most usual first. */
  readonly caFiles: readonly string[];
}

/** Both libraries of a folder ("" to have the system search) by the end of their names. */
function pair(folder: string, ending: string): OpensslNames {
  return { ssl: `${folder}libssl${ending}`, crypto: `${folder}libcrypto${ending}` };
}

/** Linux: the distributions agree on names. */
export const linuxOpenssl: OpensslData = {
  opensslNames: [pair("", ".so.3"), pair("", ".so.1.1"), pair("", ".so")],
  opensslHint: "install OpenSSL's libraries: Debian and Ubuntu package libssl3 (or libssl3t64), Fedora openssl-libs, " +
    "Alpine libssl3, Arch openssl",
  caFiles: [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
  ],
};

/** macOS: the system's own libssl is not for others to use; Homebrew and MacPorts keep theirs apart. */
export const darwinOpenssl: OpensslData = {
  opensslNames: [
    pair("/opt/homebrew/opt/openssl@3/lib/", ".3.dylib"),
    pair("/usr/local/opt/openssl@3/lib/", ".3.dylib"),
    pair("/opt/local/libexec/openssl3/lib/", ".3.dylib"),
    pair("", ".3.dylib"),
    pair("/opt/homebrew/opt/openssl@1.1/lib/", ".1.1.dylib"),
    pair("/usr/local/opt/openssl@1.1/lib/", ".1.1.dylib"),
  ],
  opensslHint: "install it with Homebrew: brew install openssl@3",
  caFiles: ["/etc/ssl/cert.pem", "/opt/homebrew/etc/openssl@3/cert.pem", "/usr/local/etc/openssl@3/cert.pem"],
};

/** FreeBSD: the base system's, numbered by its version, or the port's. */
export const freebsdOpenssl: OpensslData = {
  opensslNames: [pair("", ".so.35"), pair("", ".so.30"), pair("", ".so.111"), pair("/usr/local/lib/", ".so")],
  opensslHint: "the base system has it; of the ports, pkg install openssl",
  caFiles: ["/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt", "/usr/local/etc/ssl/cert.pem"],
};

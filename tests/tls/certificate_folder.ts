/** Certificates for tests, made by the openssl program relative to now, once per process. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** A certificate and its key, as files and as PEM. */
export interface Issued {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly certificate: string;
  readonly key: string;
}

/** How to issue a certificate. */
export interface IssueOptions {
  /** Extensions, one a line, as the openssl program's configuration has them. */
  readonly extensions?: string;
  /** Who vouches for it; itself by default. */
  readonly issuer?: Issued;
  /** How many days it is valid from now on; a negative number has it expired since then. */
  readonly days?: number;
  /** `rsa:2048` or the name of a curve; P-256 by default, since that is made fast. */
  readonly curve?: string;
}

/** A folder with an authority, removed when the process ends. */
export class CertificateFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), "evbase-tls-"));
  #count = 0;

  constructor() {
    const remove = (): void => rmSync(this.path, { recursive: true, force: true });
    process.on("exit", remove);
    // Deno ends a test file without ending the process.
    globalThis.addEventListener?.("unload", remove);
  }

  /** Runs the openssl program in the folder. */
  openssl(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync("openssl", args, { cwd: this.path, encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Writes a file into the folder and returns its path. */
  write(name: string, text: string | Uint8Array): string {
    const file = join(this.path, name);
    writeFileSync(file, text);
    return file;
  }

  /** Reads a file of the folder. */
  read(name: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.path, name)));
  }

  /** Issues a certificate for a common name. */
  issue(name: string, options: IssueOptions = {}): Issued {
    const id = `${this.#count++}-${name.replace(/[^a-z0-9]/gi, "_")}`;
    const [key, request, certificate] = [`${id}.key`, `${id}.csr`, `${id}.crt`];
    const { issuer, days = 30, curve = "prime256v1" } = options;
    const keyOptions = curve.startsWith("rsa:")
      ? ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${curve.slice(4)}`]
      : ["-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${curve}`];
    this.openssl("genpkey", ...keyOptions, "-out", key);
    this.openssl("req", "-new", "-key", key, "-subj", `/CN=${name}`, "-out", request);
    const extensions = this.write(`${id}.ext`, options.extensions ?? "basicConstraints=CA:FALSE\n");
    const signer = issuer === undefined
      ? ["-signkey", key]
      : ["-CA", issuer.certificateFile, "-CAkey", issuer.keyFile, "-CAcreateserial"];
    // x509 takes a negative number of days: from now to some days ago.
    this.openssl(
      "x509",
      "-req",
      "-in",
      request,
      ...signer,
      "-days",
      String(days),
      "-extfile",
      extensions,
      "-out",
      certificate,
    );
    return {
      certificateFile: join(this.path, certificate),
      keyFile: join(this.path, key),
      certificate: readFileSync(join(this.path, certificate), "utf8"),
      key: readFileSync(join(this.path, key), "utf8"),
    };
  }

  /** An authority. */
  authority(name: string, issuer?: Issued): Issued {
    const extensions =
      "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
    return this.issue(name, { extensions, ...(issuer === undefined ? {} : { issuer }) });
  }

  /** A revocation list of `issuer` with the given certificates on it, as PEM. */
  revocationList(issuer: Issued, revoked: readonly Issued[]): string {
    const id = `crl${this.#count++}`;
    this.write(`${id}.index`, "");
    this.write(`${id}.number`, "01\n");
    const config = this.write(
      `${id}.cnf`,
      `[ca]\ndefault_ca=own\n[own]\ndatabase=${id}.index\ncrlnumber=${id}.number\ndefault_md=sha256\ndefault_crl_days=30\n`,
    );
    const signer = ["-config", config, "-cert", issuer.certificateFile, "-keyfile", issuer.keyFile];
    for (const { certificateFile } of revoked) this.openssl("ca", ...signer, "-revoke", certificateFile);
    return this.openssl("ca", ...signer, "-gencrl");
  }
}

/** The folder and the certificates that most tests need. */
export interface TestCertificates {
  readonly folder: CertificateFolder;
  readonly authority: Issued;
  /** For `localhost`, `127.0.0.1` and `::1`. */
  readonly server: Issued;
  /** For a client. */
  readonly client: Issued;
}

let made: TestCertificates | null = null;

/** Makes them when first asked. */
export function testCertificates(): TestCertificates {
  if (made === null) {
    const folder = new CertificateFolder();
    const authority = folder.authority("evbase test authority");
    const server = folder.issue("localhost", {
      issuer: authority,
      extensions: "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n",
    });
    const client = folder.issue("a client", {
      issuer: authority,
      extensions: "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\nsubjectAltName=email:ada@example.org\n",
    });
    made = { folder, authority, server, client };
  }
  return made;
}

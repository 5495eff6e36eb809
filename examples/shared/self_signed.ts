/** A certificate made on the spot, by the cryptography that every runtime brings (Web Crypto). */

/** A certificate and its key, as PEM. */
export interface SelfSigned {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
/** ecdsa-with-SHA256 (RFC 5758), commonName and subjectAltName (RFC 5280). */
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];

const INTEGER = 0x02, BIT_STRING = 0x03, OCTET_STRING = 0x04, OID = 0x06, UTF8 = 0x0c, UTC_TIME = 0x17;
const SEQUENCE = 0x30, SET = 0x31;

/** One value in DER: what it is, its length, and what is in it. */
function der(tag: number, ...contents: ArrayLike<number>[]): number[] {
  const content = contents.flatMap((part) => Array.from(part));
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return [tag, ...size, ...content];
}

/** A number without a sign, from its bytes. */
function integer(bytes: ArrayLike<number>): number[] {
  const digits = Array.from(bytes);
  while (digits.length > 1 && digits[0] === 0) digits.shift();
  return der(INTEGER, digits[0]! >= 0x80 ? [0, ...digits] : digits);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function utcTime(ms: number): number[] {
  return der(UTC_TIME, text(new Date(ms).toISOString().replace(/^..|[-:T]|\.\d+/g, "")));
}

function pem(label: string, bytes: Uint8Array | number[]): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Makes a certificate for `hostname`, good for a day, that vouches for itself: whoever trusts it must have been told to. */
export async function selfSigned(hostname: string): Promise<SelfSigned> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const [key, publicInfo] = await Promise.all([
    crypto.subtle.exportKey("pkcs8", privateKey),
    crypto.subtle.exportKey("spki", publicKey),
  ]);
  const signedBy = der(SEQUENCE, der(OID, ECDSA_WITH_SHA256));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, der(OID, COMMON_NAME), der(UTF8, text(hostname)))));
  const names = [der(0x82, text(hostname)), der(0x82, text("localhost")), der(0x87, [127, 0, 0, 1])];
  const extension = der(SEQUENCE, der(OID, SUBJECT_ALT_NAME), der(OCTET_STRING, der(SEQUENCE, ...names)));
  const now = Date.now();
  const content = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, [2])),
    integer(crypto.getRandomValues(new Uint8Array(16)).map((byte, at) => at === 0 ? byte | 1 : byte)),
    signedBy,
    name,
    der(SEQUENCE, utcTime(now - DAY_MS), utcTime(now + DAY_MS)),
    name,
    new Uint8Array(publicInfo),
    der(0xa3, der(SEQUENCE, extension)),
  );
  // Web Crypto puts the two numbers of a signature side by side, a certificate has them in a sequence.
  const signature = new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, Uint8Array.from(content)));
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const certificate = der(SEQUENCE, content, signedBy, der(BIT_STRING, [0], der(SEQUENCE, integer(r), integer(s))));
  return { certificate: pem("CERTIFICATE", certificate), key: pem("PRIVATE KEY", new Uint8Array(key)) };
}

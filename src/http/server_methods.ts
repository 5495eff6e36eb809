import { METHOD_NAMES, methodId } from "./methods.ts";

/** A method that the library has no bit for (evhttp_set_ext_method_cmp). */
export interface CustomMethod {
  /** Its name, which is case-sensitive: a token such as `REPORT`. */
  readonly name: string;
  /** Its bit: a single one above those of the library, from 0x10000 to 0x40000000. */
  readonly id: number;
  /** Whether its requests may have a body; one that does all the same is refused with 400. True by default. */
  readonly hasBody?: boolean | undefined;
}

const FIRST_CUSTOM = 1 << METHOD_NAMES.length;
const LAST_CUSTOM = 0x4000_0000;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Which methods reach the handlers of a server. @internal */
export class ServerMethods {
  /** Bits of the methods that do. */
  readonly allowed: number;
  /** All of them, for the Allow field. */
  readonly allowField: string;
  readonly #custom = new Map<string, CustomMethod>();

  /**
   * @throws {TypeError} for a name that is no token, is known already, or occurs twice.
   * @throws {RangeError} for an id that is not a single bit of its own, and for what are no bits to allow.
   */
  constructor(allowed: number, custom: readonly CustomMethod[] = []) {
    // All but some of them (`~EVHTTP_REQ_TRACE`) is a negative number.
    if ((allowed | 0) !== allowed && allowed >>> 0 !== allowed) {
      throw new RangeError(`Cannot allow methods by ${allowed}: bits of methods are needed`);
    }
    let taken = 0;
    for (const method of custom) {
      const { name, id } = method;
      if (!TOKEN.test(name) || methodId(name) !== 0 || this.#custom.has(name)) {
        throw new TypeError(`Cannot add method ${JSON.stringify(name)}: a new token is needed`);
      }
      if (!(id >= FIRST_CUSTOM && id <= LAST_CUSTOM) || (id & (id - 1)) !== 0 || (taken & id) !== 0) {
        throw new RangeError(`Cannot add method ${name} as ${id}: one bit of its own is needed, from 0x10000 on`);
      }
      taken |= id;
      this.#custom.set(name, method);
    }
    this.allowed = allowed;
    const known = METHOD_NAMES.filter((_name, index) => (allowed & 1 << index) !== 0);
    const added = custom.filter(({ id }) => (allowed & id) !== 0).map(({ name }) => name);
    this.allowField = [...known, ...added].join(", ");
  }

  /** The bit of a custom method, or 0. */
  idOf(name: string): number {
    return this.#custom.get(name)?.id ?? 0;
  }

  /** Whether a custom method takes no body. */
  isBodyless(name: string): boolean {
    return this.#custom.get(name)?.hasBody === false;
  }
}

/** What is wrong in an `.rpc` file, and where. */
export class RpcSyntaxError extends Error {
  /** Always `RpcSyntaxError`. */
  override readonly name: string = "RpcSyntaxError";
  /** The stable code to branch on. */
  readonly code = "RPC_SYNTAX";
  /** The line, from 1 on. */
  readonly line: number;

  /** Describes what is wrong there. */
  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
    this.line = line;
  }
}

/** A word, a number or a sign of an `.rpc` file; the last one is empty. @internal */
export interface IdlToken {
  readonly text: string;
  readonly line: number;
}

/** What an `.rpc` file is made of. @internal */
export interface IdlTokens {
  readonly tokens: readonly IdlToken[];
  /** Numbers that `#define` gives names to. */
  readonly constants: ReadonlyMap<string, number>;
}

const PIECE =
  /(?<blank>\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<directive>#[^\n]*)|(?<token>[A-Za-z_]\w*|0[xX][0-9a-fA-F]+\b|\d+\b|[{}[\]=;])/y;
const DEFINE = /^#\s*define\s+([A-Za-z_]\w*)\s+(0[xX][0-9a-fA-F]+|\d+)\s*(?:\/[/*].*)?$/;
/** What event_rpcgen hands on to the C compiler, and has no meaning here. */
const FOR_C = /^#\s*(?:define|include|if|ifdef|ifndef|else|endif)\b/;

/**
 * Takes an `.rpc` file apart. Comments are left out.
 *
 * @throws {RpcSyntaxError} for signs that have no meaning there.
 * @internal
 */
export function idlTokens(text: string): IdlTokens {
  const tokens: IdlToken[] = [];
  const constants = new Map<string, number>();
  let line = 1;
  PIECE.lastIndex = 0;
  for (let at = 0; at < text.length; at = PIECE.lastIndex) {
    const groups = PIECE.exec(text)?.groups;
    if (groups === undefined) {
      if (text.startsWith("/*", at)) throw new RpcSyntaxError(line, "a comment begins here and does not end");
      throw new RpcSyntaxError(
        line,
        `${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))} has no meaning here`,
      );
    }
    const { blank, directive, token } = groups;
    if (token !== undefined) {
      tokens.push({ text: token, line });
    } else if (directive !== undefined) {
      const define = DEFINE.exec(directive.trimEnd());
      if (define !== null) constants.set(define[1]!, Number(define[2]));
      else if (!FOR_C.test(directive)) throw new RpcSyntaxError(line, `${directive.trimEnd()} has no meaning here`);
    } else {
      line += blank!.split("\n").length - 1;
    }
  }
  tokens.push({ text: "", line });
  return { tokens, constants };
}

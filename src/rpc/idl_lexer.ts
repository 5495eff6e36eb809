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
  /** What `#define` gives names to; the text of that. */
  readonly definitions: readonly (readonly [name: string, expression: string])[];
  /** What is included by a name in quotation marks, with the line. */
  readonly includes: readonly IdlToken[];
}

const COMMENT = String.raw`\/\*[\s\S]*?\*\/|\/\/[^\n]*`;
/** A line of the preprocessor goes on after a backslash, and behind a comment. */
const DIRECTIVE = String.raw`#(?:${COMMENT}|\\\r?\n|[^\n])*`;
const TOKEN = String.raw`[A-Za-z_]\w*|0[xX][0-9a-fA-F]+[uUlL]*\b|\d+[uUlL]*\b|<<|>>|[-{}[\]=;()+*/%]`;
const PIECE = new RegExp(
  `(?<blank>\\s+|${COMMENT})|(?<open>\\/\\*)|(?<directive>${DIRECTIVE})|(?<token>${TOKEN})`,
  "y",
);
const CONTINUED_OR_COMMENT = new RegExp(String.raw`\\\r?\n|${COMMENT}`, "g");
const DEFINE = /^#\s*define\s+([A-Za-z_]\w*)(?:\s+(.*))?$/;
const INCLUDE = /^#\s*include\s*"([^"]+)"/;
/** What event_rpcgen hands on to the C compiler, and has no meaning here. */
const FOR_C = /^#\s*(?:define|include|if|ifdef|ifndef|else|elif|endif)\b/;

/**
 * Takes an `.rpc` file apart. Comments are left out.
 *
 * @throws {RpcSyntaxError} for signs that have no meaning there.
 * @internal
 */
export function idlTokens(text: string): IdlTokens {
  const tokens: IdlToken[] = [];
  const definitions: [string, string][] = [];
  const includes: IdlToken[] = [];
  let line = 1;
  PIECE.lastIndex = 0;
  for (let at = 0; at < text.length; at = PIECE.lastIndex) {
    const groups = PIECE.exec(text)?.groups;
    if (groups === undefined) {
      const sign = String.fromCodePoint(text.codePointAt(at)!);
      throw new RpcSyntaxError(line, `${JSON.stringify(sign)} has no meaning here`);
    }
    const { open, directive, token } = groups;
    if (token !== undefined) {
      tokens.push({ text: token, line });
    } else if (directive !== undefined) {
      const words = directive.replaceAll(CONTINUED_OR_COMMENT, " ").trim();
      const [, name, expression = ""] = DEFINE.exec(words) ?? [];
      const included = INCLUDE.exec(words)?.[1];
      if (words.includes("/*")) throw endless(line);
      if (name !== undefined) definitions.push([name, expression]);
      else if (included !== undefined) includes.push({ text: included, line });
      else if (!FOR_C.test(words)) throw new RpcSyntaxError(line, `${words} has no meaning here`);
    } else if (open !== undefined) {
      throw endless(line);
    }
    line += text.slice(at, PIECE.lastIndex).split("\n").length - 1;
  }
  tokens.push({ text: "", line });
  return { tokens, definitions, includes };
}

function endless(line: number): RpcSyntaxError {
  return new RpcSyntaxError(line, "a comment begins here and does not end");
}

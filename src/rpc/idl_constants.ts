/** What an expression is made of: numbers as C writes them, names, signs. */
const PIECE = /\s*(?:(0[xX][0-9a-fA-F]+|\d+)(?:[uUlL]{0,3})(?!\w)|([A-Za-z_]\w*)|(<<|>>|[-+*/%()]))/y;
/** How closely signs bind, as in C. */
const RANKS: Readonly<Record<string, number>> = { "*": 3, "/": 3, "%": 3, "+": 2, "-": 2, "<<": 1, ">>": 1 };
const DEPTH_MAX = 50;

/**
 * Numbers with names, as `#define` gives them, and expressions of them: what the C compiler makes of the length of an array. What is no
 * whole number that is counted with exactly is none.
 *
 * @internal
 */
export class IdlConstants {
  // What the names stand for; null while that is being found out, which it never is for one that stands for itself.
  readonly #values = new Map<string, number | null | undefined>();
  readonly #definitions = new Map<string, string>();
  // The expression that is being read.
  #pieces: readonly string[] = [];
  #next = 0;
  #depth = 0;

  /** Says what a name stands for from now on. */
  define(name: string, expression: string): void {
    this.#definitions.set(name, expression);
    this.#values.clear();
  }

  /** What `expression` comes to; undefined for what is no number. */
  valueOf(expression: string): number | undefined {
    const pieces = piecesOf(expression);
    if (pieces === undefined || this.#depth === DEPTH_MAX) return undefined;
    const outer = { pieces: this.#pieces, next: this.#next };
    this.#pieces = pieces;
    this.#next = 0;
    this.#depth++;
    try {
      const value = this.#sum(1);
      return this.#next === pieces.length ? value : undefined;
    } finally {
      this.#depth--;
      this.#pieces = outer.pieces;
      this.#next = outer.next;
    }
  }

  #named(name: string): number | undefined {
    const known = this.#values.get(name);
    if (known !== undefined) return known ?? undefined;
    const expression = this.#definitions.get(name);
    if (expression === undefined) return undefined;
    this.#values.set(name, null);
    const value = this.valueOf(expression);
    if (value !== undefined) this.#values.set(name, value);
    return value;
  }

  /** Goes on while signs bind at least as closely as `rank` says. */
  #sum(rank: number): number | undefined {
    let value = this.#operand();
    for (;;) {
      const sign = this.#pieces[this.#next] ?? "";
      const ownRank = RANKS[sign];
      if (value === undefined || ownRank === undefined || ownRank < rank) return value;
      this.#next++;
      const right = this.#sum(ownRank + 1);
      value = right === undefined ? undefined : calculate(value, sign, right);
    }
  }

  #operand(): number | undefined {
    const piece = this.#pieces[this.#next++];
    if (piece === undefined) return undefined;
    if (/^\d/.test(piece)) return numberOf(piece);
    if (piece !== "(") return this.#named(piece);
    if (this.#depth === DEPTH_MAX) return undefined;
    this.#depth++;
    const value = this.#sum(1);
    this.#depth--;
    return this.#pieces[this.#next++] === ")" ? value : undefined;
  }
}

function piecesOf(expression: string): string[] | undefined {
  const text = expression.trimEnd();
  const pieces: string[] = [];
  PIECE.lastIndex = 0;
  while (PIECE.lastIndex < text.length) {
    const found = PIECE.exec(text);
    if (found === null) return undefined;
    pieces.push((found[1] ?? found[2] ?? found[3])!);
  }
  return pieces;
}

/** One that begins with a zero is octal. */
function numberOf(digits: string): number | undefined {
  if (!/^0\d/.test(digits)) return exact(Number(digits));
  return /^[0-7]+$/.test(digits) ? exact(parseInt(digits, 8)) : undefined;
}

function calculate(left: number, sign: string, right: number): number | undefined {
  switch (sign) {
    case "*":
      return exact(left * right);
    case "/":
      return exact(Math.trunc(left / right));
    case "%":
      return exact(left % right);
    case "+":
      return exact(left + right);
    case "-":
      return exact(left - right);
    case "<<":
      return right < 0 ? undefined : exact(left * 2 ** right);
    default:
      return right < 0 ? undefined : exact(Math.floor(left / 2 ** right));
  }
}

function exact(value: number): number | undefined {
  return Number.isSafeInteger(value) ? value : undefined;
}

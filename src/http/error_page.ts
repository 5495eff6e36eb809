import { escapeHtml } from "./html_escape.ts";
import { HttpHeaders } from "./headers.ts";
import type { HttpReply } from "./reply.ts";
import { bytesOf } from "./reply_body.ts";
import type { HttpRequest } from "./request.ts";
import { reasonPhrase } from "./status.ts";

/** What an error reply has in its body. */
export interface ErrorPage {
  /** The content. */
  readonly body: string | Uint8Array;
  /** Its Content-Type; HTML in UTF-8 by default. */
  readonly contentType?: string | undefined;
}

/**
 * Makes the body of an error reply (evhttp_set_errorcb).
 *
 * @param explanation what is to be said besides the status; text, which HTML needs escaped.
 * @param request what it answers; undefined when it was none that could be understood.
 * @returns a page, or HTML text; undefined: the page that servers have by default.
 */
export type ErrorPageMaker = (
  status: number,
  explanation: string,
  request: HttpRequest | undefined,
) => ErrorPage | string | undefined;

const HTML = "text/html;charset=utf-8";

/** A small HTML page for an error reply. */
export function errorPage(status: number, explanation: string): string {
  const phrase = reasonPhrase(status);
  const title = `${status} ${phrase}`;
  const more = explanation === "" ? "" : `<p>${escapeHtml(explanation)}</p>\n`;
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head>\n<body><h1>${title}</h1>\n${more}</body></html>\n`;
}

/** A page and its type. @internal */
export interface TypedPage extends ErrorPage {
  readonly contentType: string;
}

/** The error pages of a server. @internal */
export class ErrorPages {
  readonly #maker: ErrorPageMaker | undefined;
  readonly #report: (error: unknown, request: HttpRequest | undefined) => void;

  /** @param report told what the maker has thrown, instead of whose page the default one is sent. */
  constructor(maker: ErrorPageMaker | undefined, report: (error: unknown, request: HttpRequest | undefined) => void) {
    this.#maker = maker;
    this.#report = report;
  }

  /** The page for a reply; its type is one that a field can have. */
  make(status: number, explanation: string, request: HttpReply | undefined): TypedPage {
    if (this.#maker !== undefined) {
      try {
        const made = this.#maker(status, explanation, request as HttpRequest | undefined);
        if (typeof made === "string") return { body: made, contentType: HTML };
        if (made !== undefined) {
          const contentType = made.contentType ?? HTML;
          new HttpHeaders({ "Content-Type": contentType });
          if (typeof made.body !== "string") bytesOf(made.body);
          return { body: made.body, contentType };
        }
      } catch (error) {
        this.#report(error, request as HttpRequest | undefined);
      }
    }
    return { body: errorPage(status, explanation), contentType: HTML };
  }
}

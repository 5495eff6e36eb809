import { escapeHtml } from "./html_escape.ts";
import { reasonPhrase } from "./status.ts";

/** A small HTML page for an error reply. */
export function errorPage(status: number, explanation: string): string {
  const phrase = reasonPhrase(status);
  const title = `${status} ${phrase}`;
  const more = explanation === "" ? "" : `<p>${escapeHtml(explanation)}</p>\n`;
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head>\n<body><h1>${title}</h1>\n${more}</body></html>\n`;
}

import { reasonPhrase } from "./status.ts";

/** A small HTML page for an error reply. */
export function errorPage(status: number, explanation: string): string {
  const phrase = reasonPhrase(status);
  const title = `${status} ${phrase}`;
  const more = explanation === "" ? "" : `<p>${escapeHtml(explanation)}</p>\n`;
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head>\n<body><h1>${title}</h1>\n${more}</body></html>\n`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#039;",
  "&": "&amp;",
};

/** Escapes the five characters that mean something in HTML (evhttp_htmlescape). */
export function escapeHtml(text: string): string {
  return text.replace(/[<>"'&]/g, (character) => ESCAPES[character]!);
}

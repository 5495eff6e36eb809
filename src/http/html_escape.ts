const ESCAPES: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#039;",
  "&": "&amp;",
};

/** Escapes the five characters that mean something in HTML (evhttp_htmlescape), in text and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[<>"'&]/g, (character) => ESCAPES[character]!);
}

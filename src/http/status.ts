/** Status codes and their reason phrases, from the registry that RFC 9110 section 16.2 set up. */

const REASONS: ReadonlyMap<number, string> = new Map([
  [100, "Continue"],
  [101, "Switching Protocols"],
  [102, "Processing"],
  [103, "Early Hints"],
  [200, "OK"],
  [201, "Created"],
  [202, "Accepted"],
  [203, "Non-Authoritative Information"],
  [204, "No Content"],
  [205, "Reset Content"],
  [206, "Partial Content"],
  [207, "Multi-Status"],
  [208, "Already Reported"],
  [226, "IM Used"],
  [300, "Multiple Choices"],
  [301, "Moved Permanently"],
  [302, "Found"],
  [303, "See Other"],
  [304, "Not Modified"],
  [305, "Use Proxy"],
  [307, "Temporary Redirect"],
  [308, "Permanent Redirect"],
  [400, "Bad Request"],
  [401, "Unauthorized"],
  [402, "Payment Required"],
  [403, "Forbidden"],
  [404, "Not Found"],
  [405, "Method Not Allowed"],
  [406, "Not Acceptable"],
  [407, "Proxy Authentication Required"],
  [408, "Request Timeout"],
  [409, "Conflict"],
  [410, "Gone"],
  [411, "Length Required"],
  [412, "Precondition Failed"],
  [413, "Content Too Large"],
  [414, "URI Too Long"],
  [415, "Unsupported Media Type"],
  [416, "Range Not Satisfiable"],
  [417, "Expectation Failed"],
  [421, "Misdirected Request"],
  [422, "Unprocessable Content"],
  [423, "Locked"],
  [424, "Failed Dependency"],
  [425, "Too Early"],
  [426, "Upgrade Required"],
  [428, "Precondition Required"],
  [429, "Too Many Requests"],
  [431, "Request Header Fields Too Large"],
  [451, "Unavailable For Legal Reasons"],
  [500, "Internal Server Error"],
  [501, "Not Implemented"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
  [504, "Gateway Timeout"],
  [505, "HTTP Version Not Supported"],
  [506, "Variant Also Negotiates"],
  [507, "Insufficient Storage"],
  [508, "Loop Detected"],
  [511, "Network Authentication Required"],
]);

const CLASS_NAMES: readonly string[] = [
  "Informational",
  "Success",
  "Redirection",
  "Client Error",
  "Server Error",
];

/**
 * The reason phrase of a status code. A code that is not registered gets the name of its class, as RFC 9110 section 15
 * says an unknown code is to be treated like its class; a number outside 100 to 599 gets "Unknown".
 */
export function reasonPhrase(status: number): string {
  return REASONS.get(status) ?? CLASS_NAMES[Math.floor(status / 100) - 1] ??
    "Unknown";
}

/** Says whether this is a status of success, 200 to 299 (RFC 9110 section 15.3). */
export function isSuccessful(status: number): boolean {
  return status >= 200 && status < 300;
}

/**
 * Says whether a reply with this status never has a body, whatever its headers say: 1xx, 204 and 304 (RFC 9112 section
 * 6.3).
 */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 304 || (status >= 100 && status < 200);
}

/**
 * Says whether a server sends no content with this status: where there never is any ({@linkcode isBodyless}), and with 205, whose length it
 * has to state as none (RFC 9110 section 15.3.6).
 */
export function isContentless(status: number): boolean {
  return status === 205 || isBodyless(status);
}

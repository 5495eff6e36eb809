import { type FolderEntry, listFolder, OpenFile, realPath, SystemError } from "../core/mod.ts";
import { listOpenFolder } from "../core/file.ts";
import { contentType } from "./content_types.ts";
import { directoryPage } from "./directory_page.ts";
import { EVHTTP_REQ_GET, EVHTTP_REQ_HEAD } from "./methods.ts";
import { type ByteRange, contentRange, parseRange } from "./range.ts";
import type { HttpRequest } from "./request.ts";
import { encodePath, type SafePath, safePath } from "./safe_path.ts";
import type { HttpHandler } from "./server_options.ts";
import { evaluateConditions, isRangeWanted, validatorsOf } from "./validators.ts";

/** How {@linkcode StaticFiles} serves. */
export interface StaticFilesOptions {
  /** File that stands for its folder; null: none does. `index.html` by default. */
  readonly index?: string | null | undefined;
  /** List the names in a folder that has no index file; else it gets 404. True by default. */
  readonly listing?: boolean | undefined;
  /** Names a listing shows at most; 1,000 by default. */
  readonly entriesMax?: number | undefined;
  /** Serve and list names that begin with a dot (`.well-known` is one); false by default: they get 404. */
  readonly hidden?: boolean | undefined;
  /** Content types by extension (lower case, without the dot) that go before the built-in ones. */
  readonly types?: Readonly<Record<string, string>> | undefined;
}

const ENTRIES_MAX = 1000;

/** What the answer is when the system refuses a file; anything else is a 500. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  ENOENT: 404,
  ENOTDIR: 404,
  ELOOP: 404,
  ENAMETOOLONG: 404,
  ENXIO: 404,
  EACCES: 403,
  EPERM: 403,
  EMFILE: 503,
  ENFILE: 503,
  ENOMEM: 503,
};

/**
 * Serves the files below a folder: with index files, listings, conditional requests, single ranges, and bodies that go
 * from the kernel's cache to the socket.
 *
 * Nothing outside the folder is reachable. Paths with `..` in any spelling get 404, symbolic links count as what they lead
 * to and get 404 when that is outside, and only regular files and folders are served at all. On Linux this also holds
 * against somebody who exchanges folders and links while a request is served.
 *
 * Fields set in {@linkcode HttpRequest.replyHeaders} beforehand, such as Cache-Control, are sent along.
 *
 * @example
 * ```ts
 * import { EventBase, HttpServer, StaticFiles } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const files = new StaticFiles(".");
 * using server = new HttpServer(base, {}, files.handler);
 * console.log(`http://127.0.0.1:${server.listen({ port: 0 }).port}/`);
 * base.loopExit(100);
 * base.dispatch();
 * ```
 */
export class StaticFiles {
  /** The folder, as an absolute path without symbolic links. */
  readonly root: string;
  /** Serves GET and HEAD and answers 405 to other methods; for {@linkcode HttpServer}. */
  readonly handler: HttpHandler;

  readonly #index: string | null;
  readonly #listing: boolean;
  readonly #entriesMax: number;
  readonly #hidden: boolean;
  readonly #types: Readonly<Record<string, string>> | undefined;

  /**
   * Serves a folder.
   *
   * @param root the folder. Where its path leads is settled now, and stays.
   * @throws {SystemError} when it does not exist, cannot be read, or is no folder (ENOTDIR).
   * @throws {RangeError} when `entriesMax` is not a whole number.
   */
  constructor(root: string, options: StaticFilesOptions = {}) {
    const { index = "index.html", listing = true, entriesMax = ENTRIES_MAX, hidden = false } = options;
    if (!Number.isInteger(entriesMax) || entriesMax < 0) {
      throw new RangeError(
        `Cannot list at most ${entriesMax} entries: entriesMax must be a whole number, zero or more`,
      );
    }
    this.root = realPath(root);
    // One entry is enough to learn whether this is a folder, and whether it can be read.
    listFolder(this.root, 1);
    this.#index = index;
    this.#listing = listing;
    this.#entriesMax = entriesMax;
    this.#hidden = hidden;
    this.#types = options.types;
    this.handler = (request) => {
      if (this.serve(request)) return;
      request.replyHeaders.set("Allow", "GET, HEAD");
      request.replyError(405, "Files can only be read");
    };
  }

  /**
   * Answers a request of method GET or HEAD.
   *
   * @returns false for any other method: nothing has been done then, and the answer is up to the caller.
   * @throws {Error} when a reply has begun already.
   * @throws {SystemError} when reading fails in a way that says nothing about the request (EIO).
   */
  serve(request: HttpRequest): boolean {
    if ((request.head.methodId & (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD)) === 0) return false;
    if (request.finished) return true;
    // Found out only when the file has been given away, it would stay open.
    if (request.replyStarted) throw new Error("Cannot reply: a reply has begun already");
    request.replyHeaders.set("X-Content-Type-Options", "nosniff");
    const path = safePath(request.path);
    if (typeof path === "number") {
      request.replyError(path, path === 400 ? "The path of the request is malformed" : "");
      return true;
    }
    try {
      this.#servePath(request, path);
    } catch (error) {
      const status = error instanceof SystemError ? STATUS_OF_CODE[error.code] : undefined;
      if (status === undefined || request.replyStarted) throw error;
      request.replyError(status);
    }
    return true;
  }

  #servePath(request: HttpRequest, path: SafePath): void {
    using found = this.#open(path.segments);
    if (found?.isFolder === true) {
      if (path.isFolder) this.#serveFolder(request, path, found);
      else redirect(request, path);
    } else if (found?.isFile === true && !path.isFolder) {
      this.#sendFile(request, path.segments.at(-1)!, found);
    } else {
      request.replyError(404);
    }
  }

  #serveFolder(request: HttpRequest, path: SafePath, folder: OpenFile): void {
    using index = this.#openIndex(path.segments);
    if (index?.isFile === true) this.#sendFile(request, this.#index!, index);
    else if (this.#listing) this.#sendListing(request, path, folder);
    else request.replyError(404);
  }

  #openIndex(segments: readonly string[]): OpenFile | undefined {
    if (this.#index === null) return undefined;
    try {
      return this.#open([...segments, this.#index]);
    } catch (error) {
      if (error instanceof SystemError && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Opens what these names lead to; undefined for what is none of the client's business. */
  #open(segments: readonly string[]): OpenFile | undefined {
    if (!this.#hidden && segments.some(isHidden)) return undefined;
    const real = realPath([this.root, ...segments].join("/"));
    if (!this.#isInside(real)) return undefined;
    const file = OpenFile.open(real, { noFollow: true });
    // A folder on the way may have been exchanged for a link since: what counts is what has been opened.
    const actual = file.actualPath;
    if (actual === undefined || actual === real || this.#isInside(actual)) return file;
    file.close();
    return undefined;
  }

  /** Whether a path without links is the root's or below it, and no link has led to a hidden place. */
  #isInside(real: string): boolean {
    if (real === this.root) return true;
    const folder = this.root === "/" ? "/" : `${this.root}/`;
    return real.startsWith(folder) && (this.#hidden || !real.slice(folder.length).split("/").some(isHidden));
  }

  #sendFile(request: HttpRequest, name: string, file: OpenFile): void {
    const fields = request.replyHeaders;
    const validators = validatorsOf(file);
    fields.set("ETag", validators.etag);
    fields.set("Last-Modified", validators.lastModified);
    fields.set("Accept-Ranges", "bytes");
    const status = evaluateConditions(request.headers, validators);
    // Like the file itself, which is not compressed.
    if (status === 304) return request.replyFile(304, { fd: file.detach(), offset: 0, length: 0, closeOnFree: true });
    if (status === 412) return request.replyError(412);
    const part = isRangeWanted(request.headers, validators) ? this.#part(request, file.size) : undefined;
    if (part === "unsatisfiable") {
      fields.set("Content-Range", `bytes */${file.size}`);
      return request.replyError(416);
    }
    fields.set("Content-Type", contentType(name, this.#types));
    if (part !== undefined) fields.set("Content-Range", contentRange(part, file.size));
    const offset = part?.first ?? 0;
    const length = part === undefined ? file.size : part.last - part.first + 1;
    request.replyFile(part === undefined ? 200 : 206, { fd: file.detach(), offset, length, closeOnFree: true });
  }

  /** Ranges are defined for GET only (RFC 9110 section 14.2). */
  #part(request: HttpRequest, size: number): ByteRange | "unsatisfiable" | undefined {
    if (request.head.methodId !== EVHTTP_REQ_GET) return undefined;
    // Two lines of it are several ranges.
    const [field, another] = request.headers.getAll("range");
    return field === undefined || another !== undefined ? undefined : parseRange(field, size);
  }

  #sendListing(request: HttpRequest, { segments }: SafePath, folder: OpenFile): void {
    // One more than is shown tells whether that was all.
    const found: FolderEntry[] = listOpenFolder(folder, this.#entriesMax + 1);
    const entries = found.slice(0, this.#entriesMax).filter(({ name }) => this.#hidden || !isHidden(name));
    const path = segments.length === 0 ? "/" : `/${segments.join("/")}/`;
    request.replyHeaders.set("Content-Type", "text/html;charset=utf-8");
    request.reply(200, directoryPage({ path, entries, isCut: found.length > this.#entriesMax }));
  }
}

function isHidden(name: string): boolean {
  return name.startsWith(".");
}

/** To the same path with a slash at its end, so that relative links in the folder's page work. */
function redirect(request: HttpRequest, { segments }: SafePath): void {
  const query = request.query === undefined ? "" : `?${request.query}`;
  request.replyHeaders.set("Location", encodePath({ segments, isFolder: true }) + query);
  request.replyError(301);
}

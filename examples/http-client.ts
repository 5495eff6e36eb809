/**
 * Makes an HTTP request and writes the body of the response to standard output or a file, as it comes.
 *
 * ```sh
 * deno run --allow-ffi examples/http-client.ts [-v] [-X method] [-d data] [-o file] url
 * bun examples/http-client.ts [-v] [-X method] [-d data] [-o file] url
 * ```
 *
 * `--help` lists all options. `https-client.ts` is the one for `https:`.
 */
import { parseArgs } from "node:util";
import { clientOptions, COMMON_OPTIONS, COMMON_USAGE, fetchOnce, help, onlyUrl } from "./shared/fetching.ts";
import { orRefuse, runMain } from "./shared/program.ts";

const USAGE = `Usage: http-client [options] url

Makes a request and writes the body of the response to standard output.

${COMMON_USAGE}`;

await runMain("http-client", () => {
  const { values, positionals } = orRefuse(() => parseArgs({ options: COMMON_OPTIONS, allowPositionals: true }));
  if (values.help === true) return help(USAGE);
  return fetchOnce(onlyUrl(positionals), values, clientOptions(values));
});

/**
 * Makes an HTTP request over TLS, and verifies whom it speaks to; `http:` URLs go without TLS.
 *
 * ```sh
 * deno run --allow-ffi examples/https-client.ts [-v] [-X method] [-d data] [-o file] [--ca file] url
 * bun examples/https-client.ts [-v] [-X method] [-d data] [-o file] [--ca file] url
 * ```
 *
 * `--help` lists all options.
 */
import { parseArgs } from "node:util";
import { TlsContext } from "../mod.ts";
import { clientOptions, COMMON_OPTIONS, COMMON_USAGE, fetchOnce, help, onlyUrl } from "./shared/fetching.ts";
import { orRefuse, runMain, UsageError } from "./shared/program.ts";

const USAGE = `Usage: https-client [options] url

Makes a request over TLS and writes the body of the response to standard output. The server has to show a certificate for its host
that an authority trusted by the system vouches for.

      --ca FILE        trust the authorities in FILE instead of the system's
      --insecure       trust everybody: whoever is on the way can read and change everything
      --cert FILE      certificate to show, if the server asks for one
      --key FILE       its private key, if that is not in the same file
${COMMON_USAGE}`;

await runMain("https-client", () => {
  const { values, positionals } = orRefuse(() =>
    parseArgs({
      options: {
        ...COMMON_OPTIONS,
        ca: { type: "string" },
        insecure: { type: "boolean" },
        cert: { type: "string" },
        key: { type: "string" },
      },
      allowPositionals: true,
    })
  );
  if (values.help === true) return help(USAGE);
  if (values.key !== undefined && values.cert === undefined) throw new UsageError("--key needs --cert");
  const url = onlyUrl(positionals);
  using tls = TlsContext.client({
    ...(values.ca === undefined ? {} : { ca: { file: values.ca } }),
    ...(values.insecure === true ? { verifyPeer: false } : {}),
    ...(values.cert === undefined
      ? {}
      : { certificate: { file: values.cert }, key: { file: values.key ?? values.cert } }),
  });
  return fetchOnce(url, values, { ...clientOptions(values), tls });
});

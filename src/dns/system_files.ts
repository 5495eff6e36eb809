import { SystemError } from "../core/mod.ts";
import { HOSTS_BYTES_MAX, HOSTS_PATH, HostsTable } from "./hosts_file.ts";
import { parseResolvConf, RESOLV_CONF_BYTES_MAX, type ResolvConf } from "./resolv_conf.ts";
import { SERVICES_BYTES_MAX, SERVICES_PATH, ServicesTable } from "./services_file.ts";
import { readTextFile } from "./text_file.ts";

/** Reads a resolv.conf. @throws {SystemError} when it cannot be read. @internal */
export function readResolvConf(path: string): ResolvConf {
  return parseResolvConf(readTextFile(path, RESOLV_CONF_BYTES_MAX));
}

/** Reads a hosts file. @throws {SystemError} when it cannot be read. @internal */
export function readHosts(path: string): HostsTable {
  return HostsTable.parse(readTextFile(path, HOSTS_BYTES_MAX));
}

/** The hosts file that options name; where it cannot be read, and for false, `localhost` alone. @internal */
export function hostsOf(path: string | false = HOSTS_PATH): HostsTable {
  return orElse(path, readHosts, HostsTable.localhostOnly);
}

/** The services file that options name; where it cannot be read, and for false, the usual ones. @internal */
export function servicesOf(path: string | false = SERVICES_PATH): ServicesTable {
  return orElse(
    path,
    (file) => ServicesTable.parse(readTextFile(file, SERVICES_BYTES_MAX)),
    ServicesTable.usual,
  );
}

/** What the file at `path` holds; where there is none that can be read, what `otherwise` gives. @internal */
export function orElse<T>(path: string | false, read: (path: string) => T, otherwise: () => T): T {
  if (path === false) return otherwise();
  try {
    return read(path);
  } catch (error) {
    if (error instanceof SystemError) return otherwise();
    throw error;
  }
}

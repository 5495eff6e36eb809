import type { IpSocketAddress } from "../core/mod.ts";
import { allocate, encodeSocketAddress, SOCKET_ADDRESS_BYTES_MAX } from "../ffi/mod.ts";
import { nameserverAddress } from "./resolv_conf.ts";
import { DEFAULT_SETTINGS, type DnsResolverSettings } from "./resolver_options.ts";

const HOUR_MS = 3_600_000;
const WEEK = 604_800;

/** The numbers, least and most of each; times in milliseconds may have fractions. */
const RANGES: Readonly<Partial<Record<keyof DnsResolverSettings, readonly [least: number, most: number]>>> = {
  ndots: [0, 255],
  timeoutMs: [1, HOUR_MS],
  attempts: [1, 255],
  deadlineMs: [1, 24 * HOUR_MS],
  maxTimeouts: [1, 255],
  maxInflight: [1, 65_000],
  waitingMax: [0, 1_000_000],
  initialProbeMs: [1, HOUR_MS],
  maxProbeMs: [1, HOUR_MS],
  probeBackoffFactor: [1, 10],
  allowSkewMs: [0, HOUR_MS],
  receiveBufferBytes: [0, 0x3fff_ffff],
  sendBufferBytes: [0, 0x3fff_ffff],
  tcpIdleMs: [0, HOUR_MS],
  ednsUdpBytes: [512, 65_535],
  queriesPerSocket: [1, 10_000],
  cacheRecordsMax: [1, 10_000_000],
  cacheTtlMin: [0, 3600],
  cacheTtlMax: [0, WEEK],
  cacheNegativeTtlMax: [0, WEEK],
};

/** An option of evdns by the name it has in C or in a resolv.conf: the setting it is, and how its text is read. */
type NamedOption = readonly [setting: keyof DnsResolverSettings, read: (text: string) => unknown];

const seconds = (text: string): number => Number(text || NaN) * 1000;
const whole = (text: string): number => /^\d{1,10}$/.test(text) ? Number(text) : NaN;
const yesNo = (text: string): boolean => whole(text) !== 0;
const always = (): boolean => true;

const NAMED: Readonly<Record<string, NamedOption>> = {
  "ndots": ["ndots", whole],
  "timeout": ["timeoutMs", seconds],
  "max-timeouts": ["maxTimeouts", whole],
  "max-inflight": ["maxInflight", whole],
  "attempts": ["attempts", whole],
  "randomize-case": ["randomizeCase", yesNo],
  "bind-to": ["bindTo", (text) => nameserverAddress(text, 0) ?? text],
  "initial-probe-timeout": ["initialProbeMs", seconds],
  "max-probe-timeout": ["maxProbeMs", seconds],
  "probe-backoff-factor": ["probeBackoffFactor", Number],
  "getaddrinfo-allow-skew": ["allowSkewMs", seconds],
  "so-rcvbuf": ["receiveBufferBytes", whole],
  "so-sndbuf": ["sendBufferBytes", whole],
  "tcp-idle-timeout": ["tcpIdleMs", seconds],
  "use-vc": ["useTcp", always],
  "ignore-tc": ["ignoreTruncation", always],
  "edns-udp-size": ["ednsUdpBytes", whole],
  "rotate": ["rotate", always],
  "trust-ad": ["authenticData", always],
  "edns0": ["ednsUdpBytes", () => DEFAULT_SETTINGS.ednsUdpBytes],
};

/**
 * Reads an option of evdns_base_set_option by its name, which may end with a colon; times are in seconds there.
 *
 * @throws {TypeError} for a name that is not known, where C says nothing.
 * @throws {RangeError} for a value that is none.
 *
 * @internal
 */
export function namedSetting(name: string, value: string): Partial<DnsResolverSettings> {
  const key = name.replace(/:$/, "");
  const option = Object.hasOwn(NAMED, key) ? NAMED[key] : undefined;
  if (option === undefined) throw new TypeError(`Cannot set the resolver option "${name}": there is none of that name`);
  const [setting, read] = option;
  const settings = { [setting]: read(value.trim()) };
  if (setting === "bindTo" && typeof settings[setting] === "string") {
    throw new RangeError(`Cannot set the resolver option "${name}" to "${value}": it is not an address`);
  }
  checkSettings(settings);
  return settings;
}

/** The same of a resolv.conf, where what nobody understands is read over, and whoever wrote it is not asked. @internal */
export function namedSettingsOf(
  options: readonly (readonly [name: string, value: string])[],
): Partial<DnsResolverSettings> {
  let settings: Partial<DnsResolverSettings> = {};
  for (const [name, value] of options) {
    try {
      settings = { ...settings, ...namedSetting(name, value) };
    } catch {
      // resolv.conf(5) has options that only the C library knows.
    }
  }
  return settings;
}

/**
 * The settings among options; those that are undefined are none.
 *
 * @throws {RangeError} for a number out of its range, {TypeError} when `bindTo` is no address.
 * @internal
 */
export function settingsOf(options: Partial<DnsResolverSettings>): Partial<DnsResolverSettings> {
  const entries = Object.keys(DEFAULT_SETTINGS)
    .map((key) => [key, options[key as keyof DnsResolverSettings]] as const)
    .filter(([, value]) => value !== undefined);
  const settings = Object.fromEntries(entries) as Partial<DnsResolverSettings>;
  checkSettings(settings);
  return settings;
}

function checkSettings(settings: Partial<DnsResolverSettings>): void {
  for (const [key, value] of Object.entries(settings)) {
    const range = RANGES[key as keyof DnsResolverSettings];
    if (range !== undefined) checkSetting(key, value, range);
  }
  if (settings.bindTo !== undefined) checkAddress(settings.bindTo);
}

/**
 * Checks what only a question would find out.
 *
 * @throws {TypeError} when the host is no address, or {RangeError} when the port or the scope is none.
 * @internal
 */
export function checkAddress(address: IpSocketAddress): void {
  const { family } = address;
  if (family !== "ipv4" && family !== "ipv6") {
    throw new TypeError(`Cannot ask name servers by an address of the family ${family as string}`);
  }
  encodeSocketAddress(address, allocate(SOCKET_ADDRESS_BYTES_MAX));
}

function checkSetting(key: string, value: unknown, [least, most]: readonly [number, number]): void {
  const needsWhole = !key.endsWith("Ms") && key !== "probeBackoffFactor";
  const isNumber = typeof value === "number" && value >= least && value <= most;
  if (isNumber && (!needsWhole || Number.isInteger(value))) return;
  throw new RangeError(
    `Cannot set ${key} of a resolver to ${value}: expected a ${
      needsWhole ? "whole " : ""
    }number from ${least} to ${most}`,
  );
}

/**
 * The Domain Name System: messages as bytes and back ({@linkcode parseDnsMessage}, {@linkcode buildDnsMessage}), names and their text;
 * servers ({@linkcode DnsServer}) with the zones they serve ({@linkcode Zone}); and a resolver on the loop ({@linkcode DnsResolver}).
 *
 * @module
 */

export * from "./constants.ts";
export { type DnsServerAnswer, DnsServerRequest } from "./dns_server_request.ts";
export { type DnsListenOptions, DnsServer, type DnsServerCounts, type DnsTcpListenOptions } from "./dns_server.ts";
export type { DnsHandler, DnsServerOptions } from "./dns_server_options.ts";
export { type Edns, EDNS_FLAG_DNSSEC_OK, type EdnsOption, simpleEdns } from "./edns.ts";
export {
  buildDnsMessage,
  type BuildMessageOptions,
  type DnsMessage,
  dnsOpcode,
  type DnsQuestion,
  dnsRcode,
  type DnsRecord,
  dnsRecord,
  parseDnsMessage,
} from "./message.ts";
export { DnsMessageError, type DnsMessageErrorCode } from "./message_error.ts";
export {
  dnsLabels,
  dnsNameBytes,
  isDnsName,
  isInDnsZone,
  isSameDnsName,
  normalDnsName,
  parentDnsName,
} from "./name.ts";
export * from "./record_data.ts";
export { dnsClassName, dnsClassNumber, dnsTypeName, dnsTypeNumber } from "./record_type.ts";
export { addressOfReverseName, reverseDnsName } from "./reverse_name.ts";
export { HOSTS_PATH, type HostsEntry, HostsTable } from "./hosts_file.ts";
export { parseResolvConf, RESOLV_CONF_PATH, type ResolvConf } from "./resolv_conf.ts";
export { type ServiceProtocol, SERVICES_PATH, ServicesTable } from "./services_file.ts";
export { dnsDataText, dnsRecordText, quotedDnsText } from "./record_text.ts";
export { Zone, zoneHandler } from "./zone.ts";
export { parseZoneFile, type ZoneFileOptions } from "./zone_file.ts";
export { ZoneFileError, type ZoneFileErrorCode } from "./zone_file_error.ts";
export type { DnsAnswer } from "./answer.ts";
export { DnsError, type DnsErrorCode, type DnsErrorFacts, dnsErrorText } from "./dns_error.ts";
export type { DnsCallback, DnsRequest } from "./lookup.ts";
export { DnsResolver } from "./resolver.ts";
export { type DnsServerState, type ResolvConfParts, ResolverBase } from "./resolver_base.ts";
export type { DnsQueryOptions, DnsResolverOptions, DnsResolverSettings } from "./resolver_options.ts";

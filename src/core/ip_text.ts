/**
 * IP addresses as text, for parts that read addresses and open no socket.
 *
 * @module
 */
export { formatIpv4, formatIpv6, parseIpv4, parseIpv6, readIpv4 } from "../ffi/ip_text.ts";

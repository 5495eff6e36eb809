import { type IpSocketAddress, isLocal } from "../core/mod.ts";
import type { IpFamily } from "./address_lookup.ts";
import { sourceSocketAddress } from "./source_address.ts";

/** Addresses of name servers of the root: what has a way to them has a way to the internet. Nothing is sent there. */
const FAR: Readonly<Record<IpFamily, IpSocketAddress>> = {
  ipv4: { family: "ipv4", host: "198.41.0.4", port: 53 },
  ipv6: { family: "ipv6", host: "2001:503:ba3e::2:30", port: 53, scope: 0 },
};

/** Whether this host has an address of a family that leads out (AI_ADDRCONFIG): the kernel is asked by which it would go there. @internal */
export function isConfigured(family: IpFamily): boolean {
  const address = sourceSocketAddress(FAR[family]);
  return address !== undefined && !isLocal(address);
}

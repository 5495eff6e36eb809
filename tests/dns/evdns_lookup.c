/* Asks a server on the loopback interface by libevent's resolver: PORT then pairs of TYPE (a, aaaa, ptr, ptr6) and NAME or address. */
#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct event_base *base;
static int waiting;

struct query {
  const char *type, *name;
};

static void answered(int result, char type, int count, int ttl, void *addresses, void *argument) {
  const struct query *query = argument;
  printf("%s %s %d", query->type, query->name, result);
  if (result == DNS_ERR_NONE) {
    printf(" ttl %d", ttl);
    for (int index = 0; index < count; index++) {
      char text[INET6_ADDRSTRLEN];
      if (type == DNS_IPv4_A) printf(" %s", inet_ntop(AF_INET, (char *)addresses + index * 4, text, sizeof text));
      if (type == DNS_IPv6_AAAA) printf(" %s", inet_ntop(AF_INET6, (char *)addresses + index * 16, text, sizeof text));
      if (type == DNS_PTR) printf(" %s", ((char **)addresses)[index]);
    }
  }
  printf("\n");
  if (--waiting == 0) event_base_loopexit(base, NULL);
}

int main(int argc, char **argv) {
  base = event_base_new();
  struct evdns_base *dns = evdns_base_new(base, 0);
  char server[64];
  snprintf(server, sizeof server, "127.0.0.1:%s", argv[1]);
  if (evdns_base_nameserver_ip_add(dns, server) != 0) return 2;
  static struct query queries[64];
  for (int index = 2; index + 1 < argc; index += 2) {
    struct query *query = &queries[waiting++];
    query->type = argv[index];
    query->name = argv[index + 1];
    struct in_addr four;
    struct in6_addr six;
    if (strcmp(query->type, "a") == 0) {
      evdns_base_resolve_ipv4(dns, query->name, DNS_QUERY_NO_SEARCH, answered, query);
    } else if (strcmp(query->type, "aaaa") == 0) {
      evdns_base_resolve_ipv6(dns, query->name, DNS_QUERY_NO_SEARCH, answered, query);
    } else if (inet_pton(AF_INET, query->name, &four) == 1) {
      evdns_base_resolve_reverse(dns, &four, 0, answered, query);
    } else if (inet_pton(AF_INET6, query->name, &six) == 1) {
      evdns_base_resolve_reverse_ipv6(dns, &six, 0, answered, query);
    }
  }
  event_base_dispatch(base);
  evdns_base_free(dns, 0);
  event_base_free(base);
  return 0;
}

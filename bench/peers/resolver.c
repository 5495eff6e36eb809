/*
 * The peer "C libevent's evdns" of the resolver bench. Per line on standard input, "PORT WINDOW MS", it keeps WINDOW lookups under way for
 * MS milliseconds, each of another name, asking the name server at that port of 127.0.0.1. It answers with "RIGHT WRONG WALL_US CPU_US".
 */
#include <event2/dns.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct event_base *base;
static struct evdns_base *dns;
static long next, right, wrong, under_way;
static double ends_at;

static double now_us(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void look_up(void);

static void answered(int result, char type, int count, int ttl, void *addresses, void *number) {
  const unsigned char *address = addresses;
  long n = (long)(intptr_t)number;
  (void)ttl;
  under_way--;
  if (result == DNS_ERR_NONE && type == DNS_IPv4_A && count == 1 && address[0] == 10 && address[1] == (n >> 16 & 255) &&
      address[2] == (n >> 8 & 255) && address[3] == (n & 255)) {
    right++;
  } else {
    wrong++;
  }
  if (((right + wrong) & 15) == 0 && now_us(CLOCK_MONOTONIC) >= ends_at) ends_at = 0;
  if (ends_at != 0) look_up();
  else if (under_way == 0) event_base_loopbreak(base);
}

static void look_up(void) {
  char name[64];
  snprintf(name, sizeof name, "host-%ld.example.org", next);
  under_way++;
  evdns_base_resolve_ipv4(dns, name, DNS_QUERY_NO_SEARCH, answered, (void *)(intptr_t)next++);
}

int main(void) {
  int port, window, ms, known_port = 0;
  base = event_base_new();
  while (scanf("%d %d %d", &port, &window, &ms) == 3) {
    double wall, cpu;
    char server[32];
    if (port != known_port) {
      dns = evdns_base_new(base, 0);
      snprintf(server, sizeof server, "127.0.0.1:%d", port);
      if (!dns || evdns_base_nameserver_ip_add(dns, server) != 0) return 1;
      known_port = port;
    }
    right = wrong = 0;
    wall = now_us(CLOCK_MONOTONIC);
    cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);
    ends_at = wall + ms * 1e3;
    for (int i = 0; i < window; i++) look_up();
    event_base_dispatch(base);
    printf("%ld %ld %.1f %.1f\n", right, wrong, now_us(CLOCK_MONOTONIC) - wall, now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    fflush(stdout);
  }
  return 0;
}

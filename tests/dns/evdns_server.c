/* libevent's DNS server on a free port, which it prints: the answer that server_test.ts expects byte for byte, until its input ends. */
#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct event_base *base;

static void asked(struct evdns_server_request *request, void *argument) {
  (void)argument;
  unsigned char four[4] = {192, 168, 11, 11};
  unsigned char six[16] = {0};
  six[15] = 1;
  evdns_server_request_set_flags(request, EVDNS_FLAGS_AA | EVDNS_FLAGS_RD);
  evdns_server_request_add_a_reply(request, "zz.example.com", 1, four, 10);
  evdns_server_request_add_cname_reply(request, "b.example.com", "zz.example.com", 20);
  evdns_server_request_add_reply(request, EVDNS_AUTHORITY_SECTION, "example.com", EVDNS_TYPE_NS, EVDNS_CLASS_INET, 5, -1, 1,
                                 "b.example.com");
  evdns_server_request_add_reply(request, EVDNS_ADDITIONAL_SECTION, "b.example.com", EVDNS_TYPE_AAAA, EVDNS_CLASS_INET, 6, 16,
                                 0, (char *)six);
  evdns_server_request_respond(request, 0);
}

static void ended(evutil_socket_t fd, short what, void *argument) {
  (void)what;
  (void)argument;
  char byte;
  if (read(fd, &byte, 1) <= 0) event_base_loopbreak(base);
}

int main(void) {
  base = event_base_new();
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) return 2;
  getsockname(fd, (struct sockaddr *)&address, &length);
  evutil_make_socket_nonblocking(fd);
  struct evdns_server_port *port = evdns_add_server_port_with_base(base, fd, 0, asked, NULL);
  struct event *input = event_new(base, 0, EV_READ | EV_PERSIST, ended, NULL);
  event_add(input, NULL);
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  event_base_dispatch(base);
  event_free(input);
  evdns_close_server_port(port);
  event_base_free(base);
  return 0;
}

/* The peer "C libevent's evdns" of the bench of DNS servers: answers every question with one address. */
#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void asked(struct evdns_server_request *request, void *argument) {
  static const unsigned char address[4] = {192, 0, 2, 1};
  (void)argument;
  evdns_server_request_set_flags(request, EVDNS_FLAGS_AA);
  evdns_server_request_add_a_reply(request, request->questions[0]->name, 1, address, 60);
  evdns_server_request_respond(request, 0);
}

int main(void) {
  struct event_base *base = event_base_new();
  struct sockaddr_in here = {.sin_family = AF_INET};
  socklen_t length = sizeof here;
  int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = 1000000;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0) return 1;
  getsockname(fd, (struct sockaddr *)&here, &length);
  evutil_make_socket_nonblocking(fd);
  if (evdns_add_server_port_with_base(base, fd, 0, asked, NULL) == NULL) return 1;
  printf("listening on udp://127.0.0.1:%d\n", ntohs(here.sin_port));
  fflush(stdout);
  return event_base_dispatch(base) < 0;
}

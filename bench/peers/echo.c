/* The peer "C libevent" of the echo bench: bufferevents that send back what comes. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

static void send_back(struct bufferevent *connection, void *unused) {
  (void)unused;
  bufferevent_write_buffer(connection, bufferevent_get_input(connection));
}

static void ended(struct bufferevent *connection, short what, void *unused) {
  (void)unused;
  if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) bufferevent_free(connection);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length, void *unused) {
  struct bufferevent *connection;
  int one = 1;
  (void)peer;
  (void)length;
  (void)unused;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  connection = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(connection, send_back, NULL, ended, NULL);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
}

int main(void) {
  struct event_base *base = event_base_new();
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  struct evconnlistener *listener;
  if (!base) return 1;
  listener = evconnlistener_new_bind(base, accepted, NULL, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, 511,
                                     (struct sockaddr *)&address, sizeof address);
  if (!listener) return 1;
  if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length) != 0) return 1;
  printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
  return event_base_dispatch(base) < 0;
}

/* C libevent's evhttp as a server for the tests of our client: evhttp_server SOCKET */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/util.h>

static void echo(struct evhttp_request *request, void *unused) {
  (void)unused;
  evhttp_send_reply(request, HTTP_OK, "OK", evhttp_request_get_input_buffer(request));
}

static void chunked(struct evhttp_request *request, void *unused) {
  struct evbuffer *piece = evbuffer_new();
  int at;
  (void)unused;
  evhttp_send_reply_start(request, HTTP_OK, "OK");
  for (at = 0; at < 1000; at++) {
    evbuffer_add_printf(piece, "piece %d;", at);
    evhttp_send_reply_chunk(request, piece);
  }
  evhttp_send_reply_end(request);
  evbuffer_free(piece);
}

int main(int argc, char **argv) {
  struct event_base *base = event_base_new();
  struct evhttp *server = evhttp_new(base);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (argc != 2 || fd < 0) return 1;
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0) return 1;
  evutil_make_socket_nonblocking(fd);
  evhttp_set_allowed_methods(server, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD);
  evhttp_set_cb(server, "/echo", echo, NULL);
  evhttp_set_cb(server, "/chunked", chunked, NULL);
  if (evhttp_accept_socket(server, fd) != 0) return 1;
  return event_base_dispatch(base) < 0;
}

/* The peer "C libevent": evhttp's general callback answering every request with the same few bytes. */
#include <stdint.h>
#include <stdio.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static void answer(struct evhttp_request *request, void *unused) {
  static const char body[] = "Hello, World!";
  struct evbuffer *reply = evbuffer_new();
  (void)unused;
  evbuffer_add(reply, body, sizeof body - 1);
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain;charset=utf-8");
  evhttp_send_reply(request, HTTP_OK, "OK", reply);
  evbuffer_free(reply);
}

int main(void) {
  struct event_base *base = event_base_new();
  struct evhttp *server = base ? evhttp_new(base) : NULL;
  struct evhttp_bound_socket *bound;
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  if (!server) return 1;
  evhttp_set_gencb(server, answer, NULL);
  bound = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
  if (!bound) return 1;
  if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length) != 0) return 1;
  printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
  return event_base_dispatch(base) < 0;
}

/* The peer "C libevent": evhttp that answers GET with a large body, which it refers to, and POST with the body that came, which it moves. */
#include <stdint.h>
#include <stdio.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#define LARGE_BYTES (100 * 1024)

static char large[LARGE_BYTES];

static void answer(struct evhttp_request *request, void *unused) {
  struct evbuffer *reply = evbuffer_new();
  (void)unused;
  if (evhttp_request_get_command(request) == EVHTTP_REQ_GET) evbuffer_add_reference(reply, large, sizeof large, NULL, NULL);
  else evbuffer_add_buffer(reply, evhttp_request_get_input_buffer(request));
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
  for (int at = 0; at < LARGE_BYTES; at++) large[at] = 'a' + at % 26;
  evhttp_set_gencb(server, answer, NULL);
  bound = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
  if (!bound) return 1;
  if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length) != 0) return 1;
  printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
  return event_base_dispatch(base) < 0;
}

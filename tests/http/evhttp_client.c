/*
 * C libevent's evhttp as a client: "evhttp_client PORT" asks for one thing after the other on one connection, and prints for each
 * "METHOD TARGET STATUS BYTES SUM", where SUM is the 32-bit FNV-1a hash of the body.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

struct step {
  const char *method, *target;
  enum evhttp_cmd_type type;
  size_t body;
};

static const struct step steps[] = {
  {"GET", "/hello", EVHTTP_REQ_GET, 0},       {"POST", "/echo", EVHTTP_REQ_POST, 300000},
  {"PUT", "/echo", EVHTTP_REQ_PUT, 10},       {"GET", "/chunked/500000", EVHTTP_REQ_GET, 0},
  {"HEAD", "/bytes/1000", EVHTTP_REQ_HEAD, 0}, {"GET", "/status/204", EVHTTP_REQ_GET, 0},
  {"GET", "/nothing", EVHTTP_REQ_GET, 0},     {"GET", "/late", EVHTTP_REQ_GET, 0},
  {"DELETE", "/echo", EVHTTP_REQ_DELETE, 0},  {"GET", "/bytes/1000000", EVHTTP_REQ_GET, 0},
};
#define STEPS (sizeof steps / sizeof *steps)

static struct event_base *base;
static struct evhttp_connection *connection;

static void ask(size_t index);

static uint32_t hash(struct evbuffer *buffer) {
  uint32_t value = 2166136261u;
  size_t length = evbuffer_get_length(buffer);
  unsigned char *bytes = evbuffer_pullup(buffer, -1);
  for (size_t i = 0; i < length; i++) value = (value ^ bytes[i]) * 16777619u;
  return value;
}

static void answered(struct evhttp_request *request, void *step) {
  size_t index = (const struct step *)step - steps;
  struct evbuffer *body;
  if (!request) {
    printf("%s %s failed\n", steps[index].method, steps[index].target);
    event_base_loopbreak(base);
    return;
  }
  body = evhttp_request_get_input_buffer(request);
  printf("%s %s %d %zu %08x\n", steps[index].method, steps[index].target, evhttp_request_get_response_code(request),
         evbuffer_get_length(body), hash(body));
  if (index + 1 < STEPS) ask(index + 1);
  else event_base_loopbreak(base);
}

static void ask(size_t index) {
  const struct step *step = &steps[index];
  struct evhttp_request *request = evhttp_request_new(answered, (void *)step);
  struct evkeyvalq *fields = evhttp_request_get_output_headers(request);
  evhttp_add_header(fields, "Host", "localhost");
  for (size_t i = 0; i < step->body; i++) {
    char byte = 'a' + i * 31 % 26;
    evbuffer_add(evhttp_request_get_output_buffer(request), &byte, 1);
  }
  if (evhttp_make_request(connection, request, step->type, step->target) != 0) exit(3);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  base = event_base_new();
  connection = evhttp_connection_base_new(base, NULL, "127.0.0.1", (unsigned short)atoi(argv[1]));
  evhttp_connection_set_timeout(connection, 50);
  ask(0);
  event_base_dispatch(base);
  evhttp_connection_free(connection);
  event_base_free(base);
  return 0;
}

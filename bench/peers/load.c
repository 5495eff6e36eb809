/*
 * The load of the server benches where a C compiler is at hand: it costs so little that the servers, not the load, decide what is measured.
 *
 * It takes the servers one after the other, a slice of time each, over and over, so that whatever makes the machine faster or slower
 * meanwhile does so for all alike, and figures of one pass can be compared with each other.
 *
 *   load http CONNECTIONS DEPTH SLICE_MS PASSES PID:PORT...
 *   load get:BYTES CONNECTIONS DEPTH SLICE_MS PASSES PID:PORT...
 *   load post:BYTES CONNECTIONS DEPTH SLICE_MS PASSES PID:PORT...
 *   load BYTES CONNECTIONS DEPTH SLICE_MS PASSES PID:PORT...
 *   load ws:BYTES CONNECTIONS DEPTH SLICE_MS PASSES PID:PORT...
 *
 * keeps CONNECTIONS connections to each server and DEPTH requests on the way on each: GET requests, POST requests with a body of BYTES
 * bytes, messages of BYTES bytes, or such messages as text by WebSocket. Per slice it prints
 * "SERVER REQUESTS WALL_NS CPU_NS P50_NS P99_NS": the server's index, and the processor time that its whole process used. Every response
 * must be "Hello, World!" with status 200, or BYTES letters in the order of the alphabet, over and over, where a length was given, or the
 * very message; the first that is not ends the program with status 1. A server that ends the connection with every response (DEPTH 1) gets a
 * new one each time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 64
#define RESPONSE_MAX 1024
#define BODY_MAX (1 << 20)
#define SAMPLES_MAX 65536
#define WARM_UP_PASSES 2
#define STALL_MS 5000

static const char get[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char hello[] = "Hello, World!";
static const char upgrade[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static const char accepted[] = "HSmrc0sMlYUkAGmm5OPpG2HaGWk=";

struct connection {
  int fd;
  size_t filled;
  double sent_at;
  char *responses;
};

struct server {
  int pid, port, epoll;
  /* Bytes of each of its responses, 0 before the first. */
  size_t response;
  /* It ends the connection with each response, as some do when the request had a body. */
  int closes;
  struct connection *connections;
};

static int connection_count, depth, is_echo, is_websocket, is_post;
static char *requests;
/* What must come back of a whole batch, where messages are echoed. */
static char echoes[DEPTH_MAX * RESPONSE_MAX];
/* The body that every response must have, where it is HTTP. */
static char *body;
static size_t requests_length, body_length;
/* The most bytes that may come of a whole batch. */
static size_t responses_max;
static double samples[SAMPLES_MAX];
static long sample_count;

static void fail(const struct server *server, const char *what) {
  fprintf(stderr, "port %d: %s (%s)\n", server->port, what, strerror(errno));
  exit(1);
}

static double now_ns(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) return 0;
  return time.tv_sec * 1e9 + time.tv_nsec;
}

/* The clock of a whole process, as clock_getcpuclockid() makes it: threads that have ended are in it. */
static double cpu_ns(const struct server *server) {
  return now_ns((clockid_t)((~(unsigned)server->pid << 3) | 2));
}

/* Waits for the reply to a handshake; servers say nothing of their own accord after that. */
static void upgrade_connection(const struct server *server, int fd) {
  char reply[RESPONSE_MAX];
  size_t length = 0;
  if (send(fd, upgrade, strlen(upgrade), MSG_NOSIGNAL) != (ssize_t)strlen(upgrade)) fail(server, "cannot send");
  while (memmem(reply, length, "\r\n\r\n", 4) == NULL) {
    ssize_t count = recv(fd, reply + length, sizeof reply - length, 0);
    if (count <= 0) fail(server, "it does not answer a handshake");
    length += count;
  }
  if (memmem(reply, length, accepted, strlen(accepted)) == NULL) fail(server, "it refuses a handshake");
}

static void open_connection(struct server *server, struct connection *connection) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = connection};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
  int one = 1;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) fail(server, "cannot connect");
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (is_websocket) upgrade_connection(server, connection->fd);
  if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) fail(server, "cannot watch");
}

/* Opens a new connection in the place of one that the server will not use again. */
static void reopen_connection(struct server *server, struct connection *connection) {
  /* By a reset, so that nothing stays in TIME_WAIT. */
  struct linger at_once = {1, 0};
  setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(connection->fd);
  open_connection(server, connection);
}

static void open_connections(struct server *server) {
  server->epoll = epoll_create1(EPOLL_CLOEXEC);
  server->connections = calloc(connection_count, sizeof *server->connections);
  if (server->epoll < 0 || !server->connections) fail(server, "no memory or descriptors");
  for (int i = 0; i < connection_count; i++) {
    struct connection *connection = &server->connections[i];
    connection->responses = malloc(responses_max);
    if (!connection->responses) fail(server, "no memory");
    open_connection(server, connection);
  }
}

static void ask(struct server *server, struct connection *connection, double now) {
  connection->filled = 0;
  connection->sent_at = now;
  if (send(connection->fd, requests, requests_length, MSG_NOSIGNAL) != (ssize_t)requests_length) fail(server, "cannot send");
}

/* Learns from the first response how long all are; the date in them has always the same length. */
static void learn_length(struct server *server, const struct connection *connection) {
  const char *end = memmem(connection->responses, connection->filled, "\r\n\r\n", 4);
  if (end != NULL) {
    static const char closing[] = "\r\nconnection: close\r\n";
    for (const char *at = connection->responses; at <= end && !server->closes; at++) {
      server->closes = strncasecmp(at, closing, strlen(closing)) == 0;
    }
    server->response = end + 4 - connection->responses + body_length;
  }
  if (depth * server->response > responses_max) fail(server, "its responses are too long");
}

static void check(const struct server *server, const struct connection *connection) {
  if (is_echo) {
    if (memcmp(connection->responses, echoes, connection->filled) != 0) fail(server, "a message came back changed");
    return;
  }
  for (int i = 0; i < depth; i++) {
    const char *response = connection->responses + i * server->response;
    if (memcmp(response, "HTTP/1.1 200 ", 13) != 0) fail(server, "a response is not 200");
    if (memcmp(response + server->response - body_length, body, body_length) != 0) fail(server, "a body is wrong");
  }
}

/* Takes what has come. Returns whether all responses are there. */
static int take(struct server *server, struct connection *connection) {
  size_t room = responses_max - connection->filled;
  ssize_t count = recv(connection->fd, connection->responses + connection->filled, room, MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) fail(server, "it has closed a connection");
  connection->filled += count;
  if (server->response == 0) learn_length(server, connection);
  if (server->response == 0 || connection->filled < depth * server->response) return 0;
  if (connection->filled > depth * server->response) fail(server, "it sends more than was asked for");
  check(server, connection);
  return 1;
}

/* Returns how many requests were answered. */
static long load(struct server *server, double end) {
  struct epoll_event events[256];
  long answered = 0;
  int busy = connection_count;
  sample_count = 0;
  for (int i = 0; i < connection_count; i++) ask(server, &server->connections[i], now_ns(CLOCK_MONOTONIC));
  while (busy > 0) {
    int ready = epoll_wait(server->epoll, events, 256, STALL_MS);
    double now = now_ns(CLOCK_MONOTONIC);
    if (ready <= 0) fail(server, "it does not answer any more");
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!take(server, connection)) continue;
      answered += depth;
      samples[sample_count++ % SAMPLES_MAX] = now - connection->sent_at;
      if (server->closes) reopen_connection(server, connection);
      if (now >= end) busy--;
      else ask(server, connection, now);
    }
  }
  return answered;
}

static int compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static void slice(struct server *server, int index, int milliseconds, int counts) {
  double cpu = cpu_ns(server), wall = now_ns(CLOCK_MONOTONIC);
  long answered = load(server, wall + milliseconds * 1e6);
  wall = now_ns(CLOCK_MONOTONIC) - wall;
  cpu = cpu_ns(server) - cpu;
  if (!counts) return;
  if (sample_count > SAMPLES_MAX) sample_count = SAMPLES_MAX;
  qsort(samples, sample_count, sizeof *samples, compare);
  printf("%d %ld %.0f %.0f %.0f %.0f\n", index, answered, wall, cpu, samples[sample_count / 2], samples[sample_count * 99 / 100]);
}

/* Writes the head of a text frame; returns how many bytes it has. */
static size_t put_head(unsigned char *at, size_t length, int mask_bit) {
  at[0] = 0x81;
  if (length < 126) {
    at[1] = mask_bit | length;
    return 2;
  }
  at[1] = mask_bit | 126;
  at[2] = length >> 8;
  at[3] = length & 255;
  return 4;
}

/* Makes what is sent at once, DEPTH requests, and what must come back; returns the bytes of one response, 0 where they are not known. */
static size_t make_requests(size_t message_bytes) {
  static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  size_t expected = 0;
  for (int i = 0; i < depth; i++) {
    if (is_post) {
      requests_length += sprintf(requests + requests_length, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", body_length);
      memcpy(requests + requests_length, body, body_length);
      requests_length += body_length;
      continue;
    }
    if (!is_echo) {
      memcpy(requests + requests_length, get, strlen(get));
      requests_length += strlen(get);
      continue;
    }
    if (is_websocket) {
      requests_length += put_head((unsigned char *)requests + requests_length, message_bytes, 0x80);
      memcpy(requests + requests_length, mask, sizeof mask);
      requests_length += sizeof mask;
      expected += put_head((unsigned char *)echoes + expected, message_bytes, 0);
    }
    for (size_t at = 0; at < message_bytes; at++) {
      char byte = (char)('a' + (at + i) % 26);
      requests[requests_length++] = is_websocket ? byte ^ mask[at % 4] : byte;
      echoes[expected++] = byte;
    }
  }
  return expected / depth;
}

/* Makes the body of HTTP responses; BYTES follow the colon of what is asked for, if there is one. */
static void make_body(const char *what) {
  const char *colon = strchr(what, ':');
  body_length = colon ? (size_t)atol(colon + 1) : strlen(hello);
  if (body_length < 1 || body_length > BODY_MAX || !(body = malloc(body_length))) exit(2);
  for (size_t at = 0; at < body_length; at++) body[at] = colon ? (char)('a' + at % 26) : hello[at];
}

int main(int argc, char **argv) {
  int slice_ms, passes, count = argc - 6;
  size_t response, message_bytes;
  struct server *servers;
  if (count < 1) return 2;
  is_post = strncmp(argv[1], "post:", 5) == 0;
  is_echo = strcmp(argv[1], "http") != 0 && strncmp(argv[1], "get:", 4) != 0 && !is_post;
  is_websocket = strncmp(argv[1], "ws:", 3) == 0;
  message_bytes = is_echo ? atoi(argv[1] + (is_websocket ? 3 : 0)) : 0;
  connection_count = atoi(argv[2]);
  depth = atoi(argv[3]);
  slice_ms = atoi(argv[4]);
  passes = atoi(argv[5]);
  servers = calloc(count, sizeof *servers);
  if (!servers || connection_count < 1 || depth < 1 || depth > DEPTH_MAX) return 2;
  /* A frame has eight bytes besides its message at most. */
  if (is_echo && (message_bytes < 1 || message_bytes > RESPONSE_MAX - (is_websocket ? 8 : 0))) return 2;
  if (!is_echo) make_body(argv[1]);
  responses_max = depth * (RESPONSE_MAX + body_length);
  requests = malloc(responses_max);
  if (!requests) return 2;
  response = make_requests(message_bytes);
  for (int i = 0; i < count; i++) {
    if (sscanf(argv[6 + i], "%d:%d", &servers[i].pid, &servers[i].port) != 2) return 2;
    servers[i].response = response;
    open_connections(&servers[i]);
  }
  for (int pass = -WARM_UP_PASSES; pass < passes; pass++) {
    /* There and back again, so that none always follows the same one. */
    for (int i = 0; i < count; i++) {
      int index = pass & 1 ? count - 1 - i : i;
      slice(&servers[index], index, slice_ms, pass >= 0);
    }
  }
  return 0;
}

/*
 * The peer "C libevent" of the bulk bench: bufferevents that carry as much as they can.
 *
 *   bulk sink READ_BYTES          what comes is written to standard output
 *   bulk source READ_BYTES        standard input is sent to whoever connects
 *   bulk proxy READ_BYTES PORT    what comes is passed on to PORT, and back
 *
 * The limits are those of our becat and le-proxy. Whatever READ_BYTES says, evbuffer_read() of libevent 2.1 reads at most 4096 bytes.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#define CAT_MAX (256 * 1024)
#define PROXY_MAX (512 * 1024)

static char mode;
static size_t read_bytes;
static struct sockaddr_in upstream = {.sin_family = AF_INET};

static void ended(struct bufferevent *connection, short what, void *other) {
  if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))) return;
  bufferevent_free(connection);
  if (other) bufferevent_free(other);
}

static void write_out(struct bufferevent *connection, void *unused) {
  struct evbuffer *input = bufferevent_get_input(connection);
  (void)unused;
  while (evbuffer_get_length(input) > 0 && evbuffer_write(input, STDOUT_FILENO) > 0);
}

/* Reads with a buffer of the full size, unlike evbuffer_read(). */
static void send_more(struct bufferevent *connection, void *unused) {
  struct evbuffer *output = bufferevent_get_output(connection);
  (void)unused;
  while (evbuffer_get_length(output) < CAT_MAX) {
    struct evbuffer_iovec room;
    ssize_t count;
    if (evbuffer_reserve_space(output, read_bytes, &room, 1) != 1) return;
    count = read(STDIN_FILENO, room.iov_base, read_bytes);
    if (count <= 0) return;
    room.iov_len = count;
    evbuffer_commit_space(output, &room, 1);
  }
}

static void resume(struct bufferevent *target, void *source) {
  if (source) bufferevent_enable(source, EV_READ);
  (void)target;
}

static void pass_on(struct bufferevent *source, void *target) {
  struct evbuffer *output = bufferevent_get_output(target);
  evbuffer_add_buffer(output, bufferevent_get_input(source));
  if (evbuffer_get_length(output) > PROXY_MAX) bufferevent_disable(source, EV_READ);
}

static struct bufferevent *open_connection(struct event_base *base, evutil_socket_t fd) {
  struct bufferevent *connection = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_set_max_single_read(connection, read_bytes);
  bufferevent_set_max_single_write(connection, 256 * 1024);
  return connection;
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length, void *unused) {
  struct event_base *base = evconnlistener_get_base(listener);
  struct bufferevent *near = open_connection(base, fd), *far;
  (void)peer;
  (void)length;
  (void)unused;
  if (mode == 's') {
    bufferevent_setcb(near, write_out, NULL, ended, NULL);
  } else if (mode == 'S') {
    bufferevent_setcb(near, NULL, send_more, ended, NULL);
    bufferevent_setwatermark(near, EV_WRITE, CAT_MAX / 2, 0);
    send_more(near, NULL);
  } else {
    far = open_connection(base, -1);
    bufferevent_socket_connect(far, (struct sockaddr *)&upstream, sizeof upstream);
    bufferevent_setcb(near, pass_on, resume, ended, far);
    bufferevent_setcb(far, pass_on, resume, ended, near);
    bufferevent_setwatermark(near, EV_WRITE, PROXY_MAX / 2, 0);
    bufferevent_setwatermark(far, EV_WRITE, PROXY_MAX / 2, 0);
    bufferevent_enable(far, EV_READ);
  }
  bufferevent_enable(near, EV_READ);
}

int main(int argc, char **argv) {
  struct event_base *base = event_base_new();
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  struct evconnlistener *listener;
  if (!base || argc < 3) return 2;
  mode = strcmp(argv[1], "source") == 0 ? 'S' : argv[1][0];
  read_bytes = atoi(argv[2]);
  upstream.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  upstream.sin_port = htons(argc > 3 ? atoi(argv[3]) : 0);
  listener = evconnlistener_new_bind(base, accepted, NULL, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, 511,
                                     (struct sockaddr *)&address, sizeof address);
  if (!listener) return 1;
  if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length) != 0) return 1;
  fprintf(stderr, "listening on http://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
  return event_base_dispatch(base) < 0;
}

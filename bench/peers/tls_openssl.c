/* The peer "C, OpenSSL" of the TLS bench: one loop, and OpenSSL on the sockets themselves. What it takes is what OpenSSL and the kernel take.
   Arguments: files with the certificate and the key. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define ANSWER_BYTES (4 << 20)
#define HEAD_BYTES 16
#define RECORD_BYTES 16384
#define EVENTS 64

struct connection {
  SSL *ssl;
  int fd;
  int watches_write;
  int head_bytes;
  size_t rest;   /* bytes of the request still to come */
  size_t answer; /* bytes to answer it with */
  size_t left;   /* bytes of answers still to be sent */
};

static char answers[ANSWER_BYTES];
static int loop;

static void watch(struct connection *c, int operation, int write) {
  struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};
  c->watches_write = write;
  epoll_ctl(loop, operation, c->fd, &event);
}

static void accept_all(int listener, SSL_CTX *context) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct connection *c = calloc(1, sizeof *c);
    if (!c || !(c->ssl = SSL_new(context))) abort();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->fd = fd;
    SSL_set_fd(c->ssl, fd);
    SSL_set_accept_state(c->ssl);
    watch(c, EPOLL_CTL_ADD, 0);
  }
}

/* The same as in tls_exchange.ts: eight digits say how many bytes follow, eight how many are to be answered. */
static void received(struct connection *c, const char *bytes, size_t count) {
  size_t at = 0;
  while (at < count) {
    size_t taken;
    if (c->head_bytes < HEAD_BYTES) {
      size_t *number = c->head_bytes++ < HEAD_BYTES / 2 ? &c->rest : &c->answer;
      *number = *number * 10 + (size_t)(bytes[at++] - '0');
      if (c->head_bytes < HEAD_BYTES) continue;
    }
    taken = count - at < c->rest ? count - at : c->rest;
    c->rest -= taken;
    at += taken;
    if (c->rest > 0) continue;
    c->left += c->answer;
    c->answer = 0;
    c->head_bytes = 0;
  }
}

/* Whether the connection goes on after a call that has come to nothing. */
static int goes_on(struct connection *c, int result) {
  int error = SSL_get_error(c->ssl, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static int serve(struct connection *c) {
  static char bytes[RECORD_BYTES];
  int result;
  do {
    result = SSL_read(c->ssl, bytes, sizeof bytes);
    if (result > 0) received(c, bytes, (size_t)result);
    else if (!goes_on(c, result)) return 0;
  } while (result > 0 && SSL_has_pending(c->ssl));
  while (c->left > 0) {
    result = SSL_write(c->ssl, answers, (int)(c->left < ANSWER_BYTES ? c->left : ANSWER_BYTES));
    if (result > 0) c->left -= (size_t)result;
    else if (goes_on(c, result)) break;
    else return 0;
  }
  if ((c->left > 0) != c->watches_write) watch(c, EPOLL_CTL_MOD, c->left > 0);
  return 1;
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (argc != 3 || !context || listener < 0) return 1;
  if (SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1) return 1;
  if (SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) != 1) return 1;
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  memset(answers, 'x', sizeof answers);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 512) != 0) return 1;
  if (getsockname(listener, (struct sockaddr *)&address, &length) != 0) return 1;
  loop = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, events);
  printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(loop, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (!c) {
        accept_all(listener, context);
      } else if (!serve(c)) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        close(c->fd);
        free(c);
      }
    }
  }
}

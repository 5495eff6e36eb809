/*
 * The peer "C" of the datagram bench: echoes by epoll, recvmmsg and sendmmsg, 32 datagrams at a time. With any argument it handles one
 * datagram per call, by recvfrom and sendto, as most programs do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 32
#define ROOM 65536

static char payload[BATCH][ROOM];
static struct sockaddr_in names[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static void echo_batch(int fd) {
  int count;
  for (int i = 0; i < BATCH; i++) {
    pieces[i] = (struct iovec){payload[i], ROOM};
    messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < count; i++) pieces[i].iov_len = messages[i].msg_len;
  for (int sent = 0; sent < count;) {
    int result = sendmmsg(fd, messages + sent, count - sent, 0);
    if (result <= 0) return;
    sent += result;
  }
}

static void echo_one(int fd) {
  socklen_t length = sizeof names[0];
  ssize_t size = recvfrom(fd, payload[0], ROOM, MSG_DONTWAIT, (struct sockaddr *)&names[0], &length);
  if (size >= 0) sendto(fd, payload[0], size, 0, (struct sockaddr *)&names[0], length);
}

int main(int argc, char **argv) {
  struct sockaddr_in here = {.sin_family = AF_INET};
  socklen_t length = sizeof here;
  int fd = socket(AF_INET, SOCK_DGRAM, 0), poll_fd = epoll_create1(0), bytes = 1000000;
  struct epoll_event event = {.events = EPOLLIN};
  (void)argv;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) return 1;
  getsockname(fd, (struct sockaddr *)&here, &length);
  printf("listening on udp://127.0.0.1:%d\n", ntohs(here.sin_port));
  fflush(stdout);
  for (;;) {
    if (epoll_wait(poll_fd, &event, 1, -1) < 1) continue;
    if (argc > 1) echo_one(fd);
    else echo_batch(fd);
  }
}

/*
 * The load of the bulk bench: moves as many bytes as it can, in slices, through one server after the other.
 *
 *   bulk_load drain                                    listens, and takes all that comes without looking at it
 *   bulk_load (send | receive) SLICE_MS PASSES PID:PORT...
 *
 * sends to the servers, or takes what they send. Per slice it prints "SERVER BYTES WALL_NS CPU_NS": the server's index, and the
 * processor time that its whole process used. The receiving side asks the kernel to drop the bytes (MSG_TRUNC), so that the servers, not
 * the load, decide what is measured.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE (256 * 1024)
#define DROP (4 * 1024 * 1024)
#define WARM_UP_PASSES 1

static char piece[PIECE];

static double now_ns(clockid_t clock) {
  struct timespec time;
  return clock_gettime(clock, &time) == 0 ? time.tv_sec * 1e9 + time.tv_nsec : 0;
}

/* The clock of a whole process, as clock_getcpuclockid() makes it. */
static double cpu_ns(int pid) {
  return now_ns((clockid_t)((~(unsigned)pid << 3) | 2));
}

static void fail(const char *what) {
  fprintf(stderr, "%s (%s)\n", what, strerror(errno));
  exit(1);
}

static void *drop_all(void *socket) {
  int fd = (int)(long)socket;
  while (recv(fd, NULL, DROP, MSG_TRUNC) > 0);
  close(fd);
  return NULL;
}

static int drain(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 64) != 0) fail("cannot listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    pthread_t thread;
    long fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("cannot accept");
    if (pthread_create(&thread, NULL, drop_all, (void *)fd) != 0) fail("cannot start a thread");
    pthread_detach(thread);
  }
}

static int open_connection(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
  return fd;
}

static double load(int fd, int sends, double end) {
  double moved = 0;
  do {
    ssize_t count = sends ? send(fd, piece, PIECE, MSG_NOSIGNAL) : recv(fd, NULL, DROP, MSG_TRUNC);
    if (count <= 0) fail("a server has closed its connection");
    moved += count;
  } while (now_ns(CLOCK_MONOTONIC) < end);
  return moved;
}

int main(int argc, char **argv) {
  int count = argc - 4, sends, slice_ms, passes, fds[64], pids[64];
  if (argc == 2 && strcmp(argv[1], "drain") == 0) return drain();
  if (count < 1 || count > 64) return 2;
  sends = strcmp(argv[1], "send") == 0;
  slice_ms = atoi(argv[2]);
  passes = atoi(argv[3]);
  memset(piece, 'x', PIECE);
  for (int i = 0; i < count; i++) {
    int port;
    if (sscanf(argv[4 + i], "%d:%d", &pids[i], &port) != 2) return 2;
    fds[i] = open_connection(port);
  }
  for (int pass = -WARM_UP_PASSES; pass < passes; pass++) {
    /* There and back again, so that none always follows the same one. */
    for (int i = 0; i < count; i++) {
      int index = pass & 1 ? count - 1 - i : i;
      double cpu = cpu_ns(pids[index]), wall = now_ns(CLOCK_MONOTONIC);
      double moved = load(fds[index], sends, wall + slice_ms * 1e6);
      wall = now_ns(CLOCK_MONOTONIC) - wall;
      /* What is on its way still costs the server something. */
      usleep(5000);
      cpu = cpu_ns(pids[index]) - cpu;
      if (pass >= 0) printf("%d %.0f %.0f %.0f\n", index, moved, wall, cpu);
    }
  }
  return 0;
}

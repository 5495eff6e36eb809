/*
 * The peer "C libevent" of the event bench. Per line on standard input, "PAIRS USED ACTIVE WARM_UP WRITES", it watches PAIRS socket
 * pairs and lets ACTIVE bytes travel along the first USED of them: WARM_UP passes that do not count, then WRITES that do. It answers
 * each line with "EVENTS WALL_US CPU_US".
 * With any argument a second thread sleeps beside the loop, as threads of a JavaScript runtime do: from then on the kernel and the
 * C library may no longer leave out what only threads need.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

static struct event_base *base;
static long to_pass, received, ends_at;

static double wall_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static double cpu_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static void pass_on(evutil_socket_t fd, short what, void *next) {
  char byte;
  (void)what;
  if (recv(fd, &byte, 1, 0) != 1) return;
  received++;
  if (to_pass-- > 0) send(*(int *)next, &byte, 1, 0);
  else if (received == ends_at) event_base_loopbreak(base);
}

/* Lets the bytes travel, and ends when all have come to rest. */
static long travel(int (*pairs)[2], int used, int active, long passes) {
  to_pass = passes;
  received = 0;
  ends_at = passes + active;
  for (int i = 0; i < active; i++) send(pairs[(long)i * used / active][1], "a", 1, 0);
  event_base_dispatch(base);
  return received;
}

static void *sleep_on(void *unused) {
  for (;;) pause();
  return unused;
}

int main(int argc, char **argv) {
  pthread_t thread;
  struct rlimit limit;
  int count, used, active;
  long warm_up, passes;
  (void)argv;
  if (argc > 1 && pthread_create(&thread, NULL, sleep_on, NULL) != 0) return 1;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  while (scanf("%d %d %d %ld %ld", &count, &used, &active, &warm_up, &passes) == 5) {
    int(*pairs)[2] = calloc(count, sizeof *pairs);
    struct event **events = calloc(count, sizeof *events);
    double wall, cpu;
    long fired;
    base = event_base_new();
    if (!base || !pairs || !events) return 1;
    for (int i = 0; i < count; i++) {
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pairs[i]) != 0) {
        perror("socketpair");
        return 1;
      }
    }
    for (int i = 0; i < count; i++) {
      events[i] = event_new(base, pairs[i][0], EV_READ | EV_PERSIST, pass_on, &pairs[(i + 1) % used][1]);
      if (!events[i] || event_add(events[i], NULL) != 0) return 1;
    }
    travel(pairs, used, active, warm_up);
    wall = wall_us();
    cpu = cpu_us();
    fired = travel(pairs, used, active, passes);
    cpu = cpu_us() - cpu;
    wall = wall_us() - wall;
    printf("%ld %.1f %.1f\n", fired, wall, cpu);
    fflush(stdout);
    for (int i = 0; i < count; i++) {
      event_free(events[i]);
      close(pairs[i][0]);
      close(pairs[i][1]);
    }
    event_base_free(base);
    free(events);
    free(pairs);
  }
  return 0;
}

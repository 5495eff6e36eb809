/*
 * The peer "C libevent" of the timer bench. Per line on standard input, "COUNT SPREAD_MS", it answers with the microseconds of
 * processor time that COUNT timers took, whose delays differ by up to SPREAD_MS: "ADD CANCEL EXPIRE". All events exist before the clock starts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <event2/event.h>

static struct event **timers;
static struct timeval *delays;
static long count, fired;

static double cpu_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static void fire(evutil_socket_t fd, short what, void *unused) {
  (void)fd;
  (void)what;
  (void)unused;
  fired++;
}

static void add(evutil_socket_t fd, short what, void *unused) {
  (void)fd;
  (void)what;
  (void)unused;
  for (long i = 0; i < count; i++) evtimer_add(timers[i], &delays[i]);
}

static void cancel(evutil_socket_t fd, short what, void *unused) {
  (void)fd;
  (void)what;
  (void)unused;
  for (long i = 0; i < count; i++) evtimer_del(timers[i]);
}

/* Microseconds of processor time that `work` takes in a callback, where most programs add their timers and the clock has been read. */
static double in_loop(struct event_base *base, event_callback_fn work) {
  struct event *event = event_new(base, -1, 0, work, NULL);
  double started = cpu_us();
  event_active(event, EV_TIMEOUT, 0);
  event_base_loop(base, EVLOOP_ONCE);
  started = cpu_us() - started;
  event_free(event);
  return started;
}

int main(void) {
  long spread_ms;
  while (scanf("%ld %ld", &count, &spread_ms) == 2) {
    struct event_base *base = event_base_new();
    struct timespec spread = {spread_ms / 1000, spread_ms % 1000 * 1000000};
    double adding, cancelling, started;
    uint32_t seed = 12345;
    timers = calloc(count, sizeof *timers);
    delays = calloc(count, sizeof *delays);
    if (!base || !timers || !delays) return 1;
    for (long i = 0; i < count; i++) {
      seed = seed * 1103515245u + 12345u;
      delays[i].tv_sec = 60;
      delays[i].tv_usec = (seed >> 8) % (spread_ms * 1000);
      timers[i] = evtimer_new(base, fire, NULL);
      if (!timers[i]) return 1;
    }
    adding = in_loop(base, add);
    cancelling = in_loop(base, cancel);
    /* All within that time, which then passes. */
    for (long i = 0; i < count; i++) delays[i].tv_sec = 0;
    in_loop(base, add);
    nanosleep(&spread, NULL);
    fired = 0;
    started = cpu_us();
    event_base_dispatch(base);
    started = cpu_us() - started;
    if (fired != count) return 1;
    printf("%.1f %.1f %.1f\n", adding, cancelling, started);
    fflush(stdout);
    for (long i = 0; i < count; i++) event_free(timers[i]);
    event_base_free(base);
    free(delays);
    free(timers);
  }
  return 0;
}

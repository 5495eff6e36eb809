/*
 * When C's sockets send. Ours send at the end of the callback that has queued something, or with the next turn, and ask the kernel for
 * writability only after it has refused bytes, so nearly every trace would differ from the first write on. Here C's own write handler is
 * called at those very moments, and kept from asking before. A connection that is made with PLAIN is left alone.
 */
#define _GNU_SOURCE
#include "connections.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* What libevent's parts share with each other: a callback from the loop, as its own deferred ones are, and the end of a suspension. */
void event_deferred_cb_init_(struct event_callback *, ev_uint8_t, void (*)(struct event_callback *, void *), void *);
void event_deferred_cb_set_priority_(struct event_callback *, ev_uint8_t);
void event_deferred_cb_cancel_(struct event_base *, struct event_callback *);
int event_deferred_cb_schedule_(struct event_base *, struct event_callback *);
void bufferevent_unsuspend_write_(struct bufferevent *, ev_uint16_t);

static event_callback_fn readable, writable;
static void (*run_deferred)(struct event_callback *self, void *argument);

static int is_pending(const struct part *part) { return event_pending(&part->bev->ev_write, EV_WRITE, NULL) != 0; }
static size_t queued(const struct part *part) { return evbuffer_get_length(bufferevent_get_output(part->bev)); }

/* Lets the kernel be asked for writability from now on, or no longer. */
static void watch(struct part *part, int on) {
  int fd = bufferevent_getfd(part->bev);
  part->is_watched = on;
  if (fd < 0 || unasked[fd] == !on) return;
  if (is_pending(part)) event_del(&part->bev->ev_write);
  unasked[fd] = !on;
  if (on) bufferevent_enable(part->bev, EV_WRITE & bufferevent_get_enabled(part->bev));
}

static void flush_soon(struct part *part) {
  if (part->in_callback == 0 && !part->is_watched && !part->is_connecting) event_deferred_cb_schedule_(base, &part->flush);
}

/* C waits for writability again and again, and on no descriptor at all; what came of that is undone here. */
static void settle(struct part *part) {
  if (part->bev == NULL || part->kind != SOCKET || part->is_plain || part->is_connecting || part->is_sending) return;
  if (bufferevent_getfd(part->bev) < 0) event_del(&part->bev->ev_read);
  if (part->is_watched && !is_pending(part)) watch(part, 0);
  if (part->is_watched || !is_pending(part)) return;
  event_del(&part->bev->ev_write);
  if (queued(part) > 0) flush_soon(part);
}

/* A limit allows writing again. This takes the place of libevent's own, as the clock does in runner.c. */
void bufferevent_unsuspend_write_(struct bufferevent *bev, ev_uint16_t reason) {
  static void (*unsuspend)(struct bufferevent *, ev_uint16_t);
  if (unsuspend == NULL) *(void **)&unsuspend = dlsym(RTLD_NEXT, "bufferevent_unsuspend_write_");
  unsuspend(bev, reason);
  struct part *part = part_of(bev);
  if (part != NULL) settle(part);
}

void before_wait(void) {
  for (int i = 0; i < part_count; i++) settle(parts[i]);
}

static void run_writable(struct part *part, int what) {
  struct bufferevent *bev = part->bev;
  int was_connecting = part->is_connecting;
  part->was_emptied = 0;
  if (was_connecting) {
    int error = 0;
    socklen_t length = sizeof error;
    part->is_connecting = 0;
    unasked[bufferevent_getfd(bev)] = 1;
    /* Asking takes the error away, so it is C's turn only where there is none. */
    if (what != EV_TIMEOUT) getsockopt(bufferevent_getfd(bev), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      bufferevent_disable(bev, EV_WRITE);
      event_del(&bev->ev_read);
      bufferevent_trigger_event(bev, BEV_EVENT_ERROR, 0);
      return;
    }
  }
  part->is_sending++;
  writable(bufferevent_getfd(bev), what, bev);
  part->is_sending--;
  if (part->bev == NULL || part->is_connecting) return;
  int rests = is_pending(part) && queued(part) > 0 && !part->was_emptied;
  if (rests != part->is_watched) watch(part, rests);
  settle(part);
}

void send_queued(struct part *part) {
  if (part->bev == NULL || part->is_connecting || bufferevent_getfd(part->bev) < 0 || queued(part) == 0) return;
  if (!(bufferevent_get_enabled(part->bev) & EV_WRITE)) return;
  /* Adds the event unless a limit suspends writing. */
  bufferevent_enable(part->bev, EV_WRITE);
  if (is_pending(part)) run_writable(part, EV_WRITE);
}

static void end_callback(struct part *part) {
  if (!part->is_watched) send_queued(part);
}

static void on_flush(struct event_callback *self, void *argument) {
  (void)self;
  end_callback(argument);
}

static void on_readable(evutil_socket_t fd, short what, void *argument) {
  struct part *part = part_of(argument);
  if (part == NULL) return;
  bufferevent_incref(argument);
  part->in_callback++;
  readable(fd, what, argument);
  settle(part);
  part->in_callback--;
  end_callback(part);
  bufferevent_decref(argument);
}

static void on_writable(evutil_socket_t fd, short what, void *argument) {
  struct part *part = part_of(argument);
  (void)fd;
  if (part == NULL) return;
  bufferevent_incref(argument);
  part->in_callback++;
  run_writable(part, what);
  part->in_callback--;
  end_callback(part);
  bufferevent_decref(argument);
}

static void on_deferred(struct event_callback *self, void *argument) {
  struct part *part = part_of(argument);
  if (part == NULL) {
    run_deferred(self, argument);
    return;
  }
  bufferevent_incref(argument);
  part->in_callback++;
  run_deferred(self, argument);
  settle(part);
  part->in_callback--;
  end_callback(part);
  bufferevent_decref(argument);
}

/* Newest callbacks come first: this one before C's own, which makes it wait for writability. */
static void on_output(struct evbuffer *buffer, const struct evbuffer_cb_info *change, void *argument) {
  struct part *part = argument;
  if (part->bev == NULL) return;
  if (evbuffer_get_length(buffer) == 0) part->was_emptied = 1;
  /* What rests is waited for before anybody is called. */
  else if (part->is_sending && change->n_deleted > 0 && !part->is_watched) watch(part, 1);
  if (part->is_watched && !is_pending(part)) watch(part, 0);
  if (change->n_added > 0) flush_soon(part);
}

/* The record behind deferred callbacks: it follows the public part of a connection, and holds its address. */
static struct event_callback *deferred_of(struct bufferevent *bev) {
  enum { SELF_CALLBACK = 3 };
  char *end = (char *)bev + sizeof *bev + 256;
  for (char *at = (char *)bev + sizeof *bev; at < end; at += sizeof(void *)) {
    struct event_callback *callback = (struct event_callback *)at;
    if (callback->evcb_arg == bev && callback->evcb_closure == SELF_CALLBACK) return callback;
  }
  printf("no deferred record\n");
  exit(1);
}

/* Takes the handlers of a socket's events over, which C makes anew for each descriptor. */
void take_handlers(struct part *part) {
  struct event *events_of[] = {&part->bev->ev_read, &part->bev->ev_write};
  int fd = bufferevent_getfd(part->bev);
  if (part->is_plain) return;
  for (int i = 0; i < 2; i++) {
    event_callback_fn *handler = &events_of[i]->ev_evcallback.evcb_cb_union.evcb_callback;
    event_callback_fn ours = i == 0 ? on_readable : on_writable;
    if (*handler != ours) *(i == 0 ? &readable : &writable) = *handler;
    *handler = ours;
  }
  if (fd >= 0) unasked[fd] = !part->is_watched && !part->is_connecting;
}

void take_over(struct part *part) {
  if (part->is_plain) return;
  event_deferred_cb_init_(&part->flush, event_base_get_npriorities(base) / 2, on_flush, part);
  part->has_flush = 1;
  struct event_callback *deferred = deferred_of(part->bev);
  run_deferred = deferred->evcb_cb_union.evcb_selfcb;
  deferred->evcb_cb_union.evcb_selfcb = on_deferred;
  evbuffer_add_cb(bufferevent_get_output(part->bev), on_output, part);
  take_handlers(part);
}

void send_at(struct part *part, int priority) {
  if (part->has_flush) event_deferred_cb_set_priority_(&part->flush, priority);
}

void give_up(struct part *part) {
  if (part->has_flush) event_deferred_cb_cancel_(base, &part->flush);
  part->has_flush = 0;
}

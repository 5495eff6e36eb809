/* What the files about buffered connections share. */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H
#include "runner.h"
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event_struct.h>
#include <netinet/in.h>

enum { PARTS_MAX = 64 };
enum kind { SOCKET, PAIR, FILTER, GROUP, ADDRESS };

/* A connection, a group of them, or an address to connect to. */
struct part {
  enum kind kind;
  struct bufferevent *bev;
  struct object *self, *callbacks[3];
  int has_callback[3], closes, is_plain;
  /* How deep in its own handlers, whether the kernel is asked for writability, whether a connect is under way. */
  int in_callback, is_watched, is_connecting, was_emptied, is_sending;
  struct event_callback flush;
  int has_flush;
  struct part *under;
  struct ev_token_bucket_cfg *limit;
  struct bufferevent_rate_limit_group *group, *member_of;
  struct sockaddr_in address;
  int listener;
};

extern struct part *parts[PARTS_MAX];
extern int part_count;
struct part *part_of(const struct bufferevent *bev);

/* Makes a socket send when ours does. */
void take_over(struct part *part);
/* Does so anew after its descriptor has changed. */
void take_handlers(struct part *part);
/* Sends what is queued as far as the kernel takes it now. */
void send_queued(struct part *part);
/* Sends from that queue of the loop. */
void send_at(struct part *part, int priority);
/* Forgets that it is to send. */
void give_up(struct part *part);

/* A transform by its name; NULL, which passes everything through, for any other. */
bufferevent_filter_cb transform_named(const char *name);

#endif

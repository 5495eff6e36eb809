/* The commands that begin with "bev": buffered connections. bufferevents.ts does the same on ours. */
#define _GNU_SOURCE
#include "connections.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 0, WRITE = 1, EVENT = 2 };

struct part *parts[PARTS_MAX];
int part_count;

struct part *part_of(const struct bufferevent *bev) {
  for (int i = 0; i < part_count; i++)
    if (parts[i] != NULL && parts[i]->bev == bev) return parts[i];
  return NULL;
}

/* ---- words ---- */

struct word {
  const char *name;
  int value;
};

static const struct word directions[] = {{"READ", EV_READ}, {"WRITE", EV_WRITE}, {NULL, 0}};
static const struct word events[] = {{"READING", BEV_EVENT_READING}, {"WRITING", BEV_EVENT_WRITING}, {"EOF", BEV_EVENT_EOF},
  {"ERROR", BEV_EVENT_ERROR}, {"TIMEOUT", BEV_EVENT_TIMEOUT}, {"CONNECTED", BEV_EVENT_CONNECTED}, {NULL, 0}};
enum { PLAIN = 1 << 20 };
static const struct word options[] = {{"DEFER", BEV_OPT_DEFER_CALLBACKS}, {"CLOSE", BEV_OPT_CLOSE_ON_FREE}, {"PLAIN", PLAIN}, {NULL, 0}};
static const struct word triggers[] = {{"IGNORE", BEV_TRIG_IGNORE_WATERMARKS}, {"DEFER", BEV_TRIG_DEFER_CALLBACKS}, {NULL, 0}};
static const struct word modes[] = {{"NORMAL", BEV_NORMAL}, {"FLUSH", BEV_FLUSH}, {"FINISHED", BEV_FINISHED}, {NULL, 0}};
static const struct word callback_words[] = {{"READ", 1 << READ}, {"WRITE", 1 << WRITE}, {"EVENT", 1 << EVENT}, {NULL, 0}};

static int parse(const struct word *known, int count, char **words, int at) {
  int found = 0;
  char copy[64], *rest = copy, *word;
  if (count <= at) return 0;
  snprintf(copy, sizeof copy, "%s", words[at]);
  while ((word = strsep(&rest, "|")) != NULL)
    for (int i = 0; known[i].name != NULL; i++)
      if (strcmp(known[i].name, word) == 0) found |= known[i].value;
  return found;
}

static const char *unparse(const struct word *known, int flags) {
  static char text[64];
  text[0] = 0;
  for (int i = 0; known[i].name != NULL; i++)
    if (flags & known[i].value) sprintf(text + strlen(text), "%s%s", text[0] == 0 ? "" : "|", known[i].name);
  return text[0] == 0 ? "none" : text;
}

static struct part *part_named(int count, char **words, int at, enum kind kind) {
  struct object *object = count > at ? find(words[at]) : NULL;
  for (int i = 0; i < part_count; i++)
    if (object != NULL && parts[i]->self == object && parts[i]->kind == kind) return parts[i];
  return NULL;
}

/* One that has not been freed. */
static struct part *connection(int count, char **words) {
  struct object *object = count > 1 ? find(words[1]) : NULL;
  for (int i = 0; i < part_count; i++)
    if (object != NULL && parts[i]->self == object && parts[i]->bev != NULL) return parts[i];
  return NULL;
}

/* ---- callbacks ---- */

static void tell(struct bufferevent *bev, struct part *part, int which, const char *what) {
  char text[128];
  snprintf(text, sizeof text, "%s%sin %zu out %zu", what, what[0] == 0 ? "" : " ", evbuffer_get_length(bufferevent_get_input(bev)),
    evbuffer_get_length(bufferevent_get_output(bev)));
  call(part->callbacks[which], text);
}

static void on_read(struct bufferevent *bev, void *argument) { tell(bev, argument, READ, ""); }
static void on_write(struct bufferevent *bev, void *argument) { tell(bev, argument, WRITE, ""); }
static void on_event(struct bufferevent *bev, short what, void *argument) { tell(bev, argument, EVENT, unparse(events, what)); }

static void set_callbacks(struct part *part) {
  int *has = part->has_callback;
  bufferevent_setcb(part->bev, has[READ] ? on_read : NULL, has[WRITE] ? on_write : NULL, has[EVENT] ? on_event : NULL, part);
}

/* ---- making and freeing ---- */

static void forget(struct part *part) {
  give_up(part);
  part->bev = NULL;
}

/* Ours closes at once, and C from the loop: so the descriptor is given up here, and C closes something else under its number. */
static void free_part(struct part *part) {
  struct bufferevent *bev = part->bev;
  if (part->member_of != NULL) bufferevent_remove_from_rate_limit_group(bev);
  int fd = part->kind == SOCKET ? bufferevent_getfd(bev) : -1;
  if (fd >= 0) {
    event_del(&bev->ev_read);
    event_del(&bev->ev_write);
    unasked[fd] = 0;
  }
  forget(part);
  if (part->closes && part->under != NULL && part->under->bev != NULL) {
    struct bufferevent *under = part->under->bev;
    bufferevent_incref(under);
    bufferevent_free(bev);
    free_part(part->under);
    return;
  }
  bufferevent_free(bev);
  if (fd < 0 || !part->closes || part->is_plain) return;
  int null = open("/dev/null", O_RDWR);
  dup2(null, fd);
  close(null);
}

static void release(struct object *self) {
  for (int i = 0; i < part_count; i++) {
    struct part *part = parts[i];
    if (part->self != self) continue;
    if (part->bev != NULL) free_part(part);
    if (part->kind == ADDRESS && part->listener >= 0) close(part->listener);
    if (part->group == NULL) continue;
    for (int j = 0; j < part_count; j++)
      if (parts[j]->bev != NULL && parts[j]->member_of == part->group) {
        bufferevent_remove_from_rate_limit_group(parts[j]->bev);
        parts[j]->member_of = NULL;
      }
    bufferevent_rate_limit_group_free(part->group);
    part->group = NULL;
  }
}

void end_connections(void) {
  for (int i = 0; i < part_count; i++) {
    if (parts[i]->limit != NULL) ev_token_bucket_cfg_free(parts[i]->limit);
    free(parts[i]);
  }
  part_count = 0;
}

static struct part *make(const char *name, enum kind kind, struct bufferevent *bev, int flags) {
  static const char *const suffixes[] = {".read", ".write", ".event"};
  struct object *self = find(name);
  if (self == NULL) self = create(name, "");
  self->release = release;
  struct part *part = parts[part_count++] = calloc(1, sizeof *part);
  part->kind = kind;
  part->self = self;
  part->listener = -1;
  if (bev == NULL) return part;
  part->bev = bev;
  part->closes = (flags & BEV_OPT_CLOSE_ON_FREE) != 0;
  part->is_plain = (flags & PLAIN) != 0;
  for (int i = 0; i < 3; i++) {
    char full[48];
    snprintf(full, sizeof full, "%s%s", name, suffixes[i]);
    struct object *callback = find(full);
    part->callbacks[i] = callback == NULL ? create(full, "") : callback;
    part->has_callback[i] = 1;
  }
  set_callbacks(part);
  return part;
}

static int is_free(int count, char **words, int at) {
  struct object *object = count > at ? find(words[at]) : NULL;
  return part_count < PARTS_MAX - 2 && count > at && (object == NULL || object->release == NULL);
}

/* bev B FD|-1 [OPTIONS] */
static int do_bev(int count, char **words) {
  int fd = count > 2 ? fd_named(words[2]) : -1, flags = parse(options, count, words, 3);
  if (!is_free(count, words, 1) || count < 3 || (fd < 0 && strcmp(words[2], "-1") != 0)) return UNKNOWN;
  struct part *part = make(words[1], SOCKET, bufferevent_socket_new(base, fd, flags & ~PLAIN), flags);
  /* No more than evbuffer_read takes at a time, whatever it is told. */
  if (!part->is_plain) bufferevent_set_max_single_read(part->bev, 4096);
  take_over(part);
  return 0;
}

static int do_pair(int count, char **words) {
  struct bufferevent *ends[2];
  if (!is_free(count, words, 1) || !is_free(count, words, 2)) return UNKNOWN;
  bufferevent_pair_new(base, 0, ends);
  struct part *one = make(words[1], PAIR, ends[0], 0), *other = make(words[2], PAIR, ends[1], 0);
  one->under = NULL;
  other->under = NULL;
  return 0;
}

/* bev.filter F UNDER INPUT OUTPUT [OPTIONS] */
static int do_filter(int count, char **words) {
  struct part *under = count < 5 ? NULL : connection(2, words + 1);
  int flags = parse(options, count, words, 5);
  if (under == NULL || !is_free(count, words, 1)) return UNKNOWN;
  struct bufferevent *bev =
    bufferevent_filter_new(under->bev, transform_named(words[3]), transform_named(words[4]), flags & ~PLAIN, NULL, NULL);
  make(words[1], FILTER, bev, flags)->under = under;
  return 0;
}

static int do_free(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL) return UNKNOWN;
  free_part(part);
  return 0;
}

/* ---- bytes ---- */

/* bev.write B TEXT, bev.writebuf B TEXT, bev.read B N, bev.readbuf B, bev.show B */
static int do_bytes(int count, char **words) {
  struct part *part = connection(count, words);
  int is_show = strcmp(words[0], "bev.show") == 0, is_readbuf = strcmp(words[0], "bev.readbuf") == 0;
  if (part == NULL || (count < 3 && !is_show && !is_readbuf)) return UNKNOWN;
  struct evbuffer *input = bufferevent_get_input(part->bev), *output = bufferevent_get_output(part->bev), *other;
  if (is_show) {
    strcpy(note, "in ");
    note_buffer(input);
    strcat(note, " out ");
    note_buffer(output);
    return 0;
  }
  if (strcmp(words[0], "bev.write") == 0) {
    long length = parse_text(words[2]);
    return bufferevent_write(part->bev, text, length);
  }
  if (strcmp(words[0], "bev.read") == 0) {
    long wanted = atol(words[2]);
    char *taken = malloc(wanted + 1);
    long length = bufferevent_read(part->bev, taken, wanted);
    note_bytes(taken, length);
    free(taken);
    return length;
  }
  other = evbuffer_new();
  int result;
  if (is_readbuf) {
    result = bufferevent_read_buffer(part->bev, other) < 0 ? -1 : (int)evbuffer_get_length(other);
    note_buffer(other);
  } else {
    evbuffer_add(other, text, parse_text(words[2]));
    result = bufferevent_write_buffer(part->bev, other);
  }
  evbuffer_free(other);
  return result;
}

/* fd.send FD TEXT, fd.recv FD N: the other side of a connection. */
static int do_peer(int count, char **words) {
  int fd = count < 3 ? -1 : fd_named(words[1]);
  if (fd < 0) return UNKNOWN;
  if (strcmp(words[0], "fd.send") == 0) {
    long length = parse_text(words[2]);
    long sent = send(fd, text, length, MSG_NOSIGNAL);
    return sent < 0 ? -1 : sent;
  }
  long wanted = atol(words[2]);
  char *taken = malloc(wanted + 1);
  long length = recv(fd, taken, wanted, 0);
  if (length >= 0) note_bytes(taken, length);
  free(taken);
  return length < 0 ? -1 : length;
}

/* ---- state ---- */

static int do_enable(int count, char **words) {
  struct part *part = connection(count, words);
  int which = parse(directions, count, words, 2);
  if (part == NULL) return UNKNOWN;
  return strcmp(words[0], "bev.enable") == 0 ? bufferevent_enable(part->bev, which) : bufferevent_disable(part->bev, which);
}

static int do_enabled(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL) return UNKNOWN;
  strcpy(note, unparse(directions, bufferevent_get_enabled(part->bev)));
  return 0;
}

static int do_setcb(int count, char **words) {
  struct part *part = connection(count, words);
  int which = parse(callback_words, count, words, 2);
  if (part == NULL) return UNKNOWN;
  for (int i = 0; i < 3; i++) part->has_callback[i] = (which & 1 << i) != 0;
  set_callbacks(part);
  return 0;
}

/* bev.watermark B DIRECTIONS LOW HIGH, bev.marks B DIRECTION */
static int do_watermark(int count, char **words) {
  struct part *part = connection(count, words);
  int which = parse(directions, count, words, 2);
  size_t low, high;
  if (part == NULL) return UNKNOWN;
  if (strcmp(words[0], "bev.marks") == 0) {
    if (bufferevent_getwatermark(part->bev, which, &low, &high) < 0) return -1;
    sprintf(note, "%zu %zu", low, high);
    return 0;
  }
  if (count < 5) return UNKNOWN;
  bufferevent_setwatermark(part->bev, which, atol(words[3]), atol(words[4]));
  return 0;
}

/* bev.timeouts B READ_MS WRITE_MS, -1 for none */
static int do_timeouts(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL || count < 4) return UNKNOWN;
  long ms[] = {atol(words[2]), atol(words[3])};
  struct timeval times[2];
  for (int i = 0; i < 2; i++) {
    times[i].tv_sec = ms[i] / 1000;
    times[i].tv_usec = ms[i] % 1000 * 1000;
  }
  return bufferevent_set_timeouts(part->bev, ms[0] < 0 ? NULL : &times[0], ms[1] < 0 ? NULL : &times[1]);
}

static int do_trigger(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL || count < 3) return UNKNOWN;
  int flags = parse(triggers, count, words, 3);
  if (strcmp(words[0], "bev.trigger") == 0) bufferevent_trigger(part->bev, parse(directions, count, words, 2), flags);
  else bufferevent_trigger_event(part->bev, parse(events, count, words, 2), flags);
  return 0;
}

/* Of a socket flush() is one thing in C and another in ours: nothing, and sending. */
static int do_flush(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL || count < 4) return UNKNOWN;
  if (part->kind == SOCKET && !part->is_plain) send_queued(part);
  else bufferevent_flush(part->bev, parse(directions, count, words, 2), parse(modes, count, words, 3));
  for (struct part *under = part->under; under != NULL && under->bev != NULL; under = under->under)
    if (under->kind == SOCKET && !under->is_plain && part->bev != NULL) send_queued(under);
  return 0;
}

static int do_priority(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL) return UNKNOWN;
  if (count < 3) return bufferevent_get_priority(part->bev);
  int result = bufferevent_priority_set(part->bev, atoi(words[2]));
  if (result == 0) send_at(part, atoi(words[2]));
  return result;
}

/* bev.setfd B FD|-1, bev.getfd B */
static int do_fd(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL) return UNKNOWN;
  int old = bufferevent_getfd(part->bev);
  if (strcmp(words[0], "bev.getfd") == 0) {
    strcpy(note, fd_name(old));
    return old < 0 ? -1 : 0;
  }
  int fd = count < 3 ? -1 : fd_named(words[2]);
  if (part->kind != SOCKET || count < 3 || (fd < 0 && strcmp(words[2], "-1") != 0)) return UNKNOWN;
  if (old >= 0) {
    event_del(&part->bev->ev_read);
    event_del(&part->bev->ev_write);
    unasked[old] = 0;
  }
  part->is_watched = part->is_connecting = 0;
  if (fd >= 0) unasked[fd] = !part->is_plain;
  int result = bufferevent_setfd(part->bev, fd);
  take_handlers(part);
  return result;
}

static int do_partner(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL) return UNKNOWN;
  struct bufferevent *other = part->kind == PAIR ? bufferevent_pair_get_partner(part->bev) : bufferevent_get_underlying(part->bev);
  struct part *found = other == NULL ? NULL : part_of(other);
  if (found != NULL) strcpy(note, found->self->name);
  return 0;
}

/* bev.maxread B N, bev.maxwrite B N, bev.max B */
static int do_max(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL) return UNKNOWN;
  if (strcmp(words[0], "bev.max") == 0) {
    sprintf(note, "%zd %zd now %zd %zd", bufferevent_get_max_single_read(part->bev), bufferevent_get_max_single_write(part->bev),
      bufferevent_get_max_to_read(part->bev), bufferevent_get_max_to_write(part->bev));
    return 0;
  }
  if (count < 3) return UNKNOWN;
  return strcmp(words[0], "bev.maxread") == 0 ? bufferevent_set_max_single_read(part->bev, atol(words[2]))
                                              : bufferevent_set_max_single_write(part->bev, atol(words[2]));
}

/* ---- rate limits ---- */

/* READ_RATE READ_BURST WRITE_RATE WRITE_BURST TICK_MS */
static struct ev_token_bucket_cfg *limit_of(int count, char **words) {
  if (count < 7) return NULL;
  long ms = atol(words[6]);
  struct timeval tick = {ms / 1000, ms % 1000 * 1000};
  return ev_token_bucket_cfg_new(atol(words[2]), atol(words[3]), atol(words[4]), atol(words[5]), &tick);
}

static int do_rate(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL || count < 3) return UNKNOWN;
  struct ev_token_bucket_cfg *limit = limit_of(count, words);
  if (limit == NULL && strcmp(words[2], "none") != 0) return -1;
  int result = bufferevent_set_rate_limit(part->bev, limit);
  if (part->limit != NULL) ev_token_bucket_cfg_free(part->limit);
  part->limit = limit;
  return result;
}

/* bev.group G READ_RATE READ_BURST WRITE_RATE WRITE_BURST TICK_MS, bev.setgroup likewise, bev.share G N, bev.totals G, bev.reset G */
static int do_group(int count, char **words) {
  int is_new = strcmp(words[0], "bev.group") == 0;
  struct part *part = part_named(count, words, 1, GROUP);
  if (is_new || strcmp(words[0], "bev.setgroup") == 0) {
    struct ev_token_bucket_cfg *limit = limit_of(count, words);
    if (limit == NULL) return -1;
    if (is_new && !is_free(count, words, 1)) return UNKNOWN;
    int result = 0;
    if (is_new) make(words[1], GROUP, NULL, 0)->group = bufferevent_rate_limit_group_new(base, limit);
    else if (part == NULL) result = UNKNOWN;
    else result = bufferevent_rate_limit_group_set_cfg(part->group, limit);
    ev_token_bucket_cfg_free(limit);
    return result;
  }
  if (part == NULL) return UNKNOWN;
  if (strcmp(words[0], "bev.reset") == 0) return bufferevent_rate_limit_group_reset_totals(part->group), 0;
  if (strcmp(words[0], "bev.share") == 0) return count < 3 ? UNKNOWN : bufferevent_rate_limit_group_set_min_share(part->group, atol(words[2]));
  ev_uint64_t read, written;
  bufferevent_rate_limit_group_get_totals(part->group, &read, &written);
  sprintf(note, "read %d written %d left %zd %zd", (int)read, (int)written, bufferevent_rate_limit_group_get_read_limit(part->group),
    bufferevent_rate_limit_group_get_write_limit(part->group));
  return 0;
}

/* bev.join B G, bev.leave B */
static int do_join(int count, char **words) {
  struct part *part = connection(count, words), *group = part_named(count, words, 2, GROUP);
  int is_join = strcmp(words[0], "bev.join") == 0;
  if (part == NULL || (is_join && group == NULL)) return UNKNOWN;
  part->member_of = is_join ? group->group : NULL;
  return is_join ? bufferevent_add_to_rate_limit_group(part->bev, group->group) : bufferevent_remove_from_rate_limit_group(part->bev);
}

/* bev.limits B, bev.decread B N, bev.decwrite B N */
static int do_limits(int count, char **words) {
  struct part *part = connection(count, words);
  if (part == NULL || part->limit == NULL) return UNKNOWN;
  if (strcmp(words[0], "bev.limits") == 0) {
    sprintf(note, "%zd %zd", bufferevent_get_read_limit(part->bev), bufferevent_get_write_limit(part->bev));
    return 0;
  }
  if (count < 3) return UNKNOWN;
  return strcmp(words[0], "bev.decread") == 0 ? bufferevent_decrement_read_limit(part->bev, atol(words[2]))
                                              : bufferevent_decrement_write_limit(part->bev, atol(words[2]));
}

/* ---- connecting ---- */

/* listen L: a TCP socket on the loopback interface; refuse L: an address where nobody listens any more. */
static int do_listen(int count, char **words) {
  if (!is_free(count, words, 1)) return UNKNOWN;
  struct part *part = make(words[1], ADDRESS, NULL, 0);
  socklen_t length = sizeof part->address;
  part->address.sin_family = AF_INET;
  part->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  part->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(part->listener, (struct sockaddr *)&part->address, length) < 0 || listen(part->listener, 16) < 0) return -1;
  getsockname(part->listener, (struct sockaddr *)&part->address, &length);
  if (strcmp(words[0], "refuse") != 0) return 0;
  close(part->listener);
  part->listener = -1;
  return 0;
}

/* accept L FD */
static int do_accept(int count, char **words) {
  struct part *part = part_named(count, words, 1, ADDRESS);
  if (part == NULL || count < 3) return UNKNOWN;
  int fd = accept(part->listener, NULL, NULL);
  if (fd < 0) return -1;
  name_fd(words[2], "", fd);
  return 0;
}

/* bev.connect B L */
static int do_connect(int count, char **words) {
  struct part *part = connection(count, words), *address = part_named(count, words, 2, ADDRESS);
  if (part == NULL || address == NULL || part->kind != SOCKET) return UNKNOWN;
  int old = bufferevent_getfd(part->bev);
  if (old >= 0) unasked[old] = 0;
  part->is_watched = 0;
  part->is_connecting = !part->is_plain;
  int result = bufferevent_socket_connect(part->bev, (struct sockaddr *)&address->address, sizeof address->address);
  take_handlers(part);
  return result;
}

static int settled(int result) {
  before_wait();
  return result;
}

#define SETTLES(command) static int command##_settled(int count, char **words) { return settled(command(count, words)); }
SETTLES(do_bev)
SETTLES(do_pair)
SETTLES(do_filter)
SETTLES(do_free)
SETTLES(do_bytes)
SETTLES(do_enable)
SETTLES(do_watermark)
SETTLES(do_timeouts)
SETTLES(do_trigger)
SETTLES(do_flush)
SETTLES(do_fd)
SETTLES(do_rate)
SETTLES(do_group)
SETTLES(do_join)
SETTLES(do_limits)
SETTLES(do_connect)

const struct command bufferevent_commands[] = {{"bev", do_bev_settled}, {"bev.pair", do_pair_settled}, {"bev.filter", do_filter_settled},
  {"bev.free", do_free_settled}, {"bev.write", do_bytes_settled}, {"bev.writebuf", do_bytes_settled}, {"bev.read", do_bytes_settled},
  {"bev.readbuf", do_bytes_settled}, {"bev.show", do_bytes}, {"fd.send", do_peer}, {"fd.recv", do_peer}, {"bev.enable", do_enable_settled},
  {"bev.disable", do_enable_settled}, {"bev.enabled", do_enabled}, {"bev.setcb", do_setcb}, {"bev.watermark", do_watermark_settled},
  {"bev.marks", do_watermark}, {"bev.timeouts", do_timeouts_settled}, {"bev.trigger", do_trigger_settled},
  {"bev.triggerevent", do_trigger_settled}, {"bev.flush", do_flush_settled}, {"bev.priority", do_priority}, {"bev.setfd", do_fd_settled},
  {"bev.getfd", do_fd}, {"bev.partner", do_partner}, {"bev.underlying", do_partner}, {"bev.maxread", do_max}, {"bev.maxwrite", do_max},
  {"bev.max", do_max}, {"bev.rate", do_rate_settled}, {"bev.limits", do_limits}, {"bev.decread", do_limits_settled},
  {"bev.decwrite", do_limits_settled}, {"bev.group", do_group_settled}, {"bev.setgroup", do_group_settled}, {"bev.share", do_group},
  {"bev.totals", do_group}, {"bev.reset", do_group}, {"bev.join", do_join_settled}, {"bev.leave", do_join_settled}, {"listen", do_listen},
  {"refuse", do_listen}, {"accept", do_accept}, {"bev.connect", do_connect_settled}, {NULL, NULL}};

/*
 * Plays scenarios on C libevent and prints what happened; interpreter.ts does the same on ours. README.md describes the language.
 *
 * Time is virtual: the functions through which libevent reads the clock and sleeps are defined here and take the place of libc's, since
 * the dynamic linker looks into the executable first. Nothing ever sleeps, so no verdict depends on how busy the machine is.
 */
#define _GNU_SOURCE
#include "runner.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { OBJECTS_MAX = 128, WORDS_MAX = 8, FIRST_FD = 700, CALLBACKS_MAX = 300, WAITS_MAX = 2000 };

static struct object objects[OBJECTS_MAX];
static int object_count, next_fd, callbacks, waits, depth;
static long long now_us;
struct event_base *base;
char note[NOTE_MAX];
unsigned char unasked[FD_LIMIT];

/* ---- time ---- */

int clock_gettime(clockid_t clock, struct timespec *out) {
  (void)clock;
  out->tv_sec = now_us / 1000000;
  out->tv_nsec = now_us % 1000000 * 1000;
  return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  (void)zone;
  out->tv_sec = now_us / 1000000;
  out->tv_usec = now_us % 1000000;
  return 0;
}

/* A wait has ended. Where nothing is ready the time passes; with nothing to wait for, the loop ends instead of hanging. */
static int waited(int count, long long timeout_us) {
  if (count == 0 && timeout_us > 0) now_us += timeout_us;
  if (count == 0 && timeout_us < 0) printf("stuck\n");
  if (++waits > WAITS_MAX) printf("too many waits\n");
  if ((count == 0 && timeout_us < 0) || waits > WAITS_MAX) event_base_loopbreak(base);
  return count;
}

/* Whether something has become active since the loop has decided how long to wait. */
static int has_active(void) { return base != NULL && event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0; }

/* What the kernel has been asked for, of descriptors that have been among the unasked. */
static struct {
  int is_kept;
  unsigned events;
} asked[FD_LIMIT];

/* Asks for less than libevent does, and not at all where nothing changes: also that would move a descriptor in the kernel's list. */
int epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event) {
  struct epoll_event wanted = {0};
  if (fd < 0 || fd >= FD_LIMIT) return syscall(SYS_epoll_ctl, epfd, operation, fd, event);
  if (operation != EPOLL_CTL_DEL) wanted = *event;
  if (unasked[fd]) wanted.events &= ~EPOLLOUT;
  if ((wanted.events & (EPOLLIN | EPOLLOUT | EPOLLRDHUP)) == 0) wanted.events = 0;
  unsigned before = asked[fd].events;
  if (!unasked[fd] && !asked[fd].is_kept) before = ~0u;
  asked[fd].is_kept |= unasked[fd];
  asked[fd].events = wanted.events;
  if (before == ~0u) return syscall(SYS_epoll_ctl, epfd, operation, fd, event);
  if (before == wanted.events) return 0;
  operation = wanted.events == 0 ? EPOLL_CTL_DEL : before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  return syscall(SYS_epoll_ctl, epfd, operation, fd, &wanted);
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms) {
  before_wait();
  if (has_active()) timeout_ms = 0;
  return waited(epoll_pwait(epfd, events, max, 0, NULL), timeout_ms * 1000LL);
}

int poll(struct pollfd *fds, nfds_t fd_count, int timeout_ms) {
  struct timespec zero = {0, 0};
  static short wanted[FD_LIMIT];
  before_wait();
  if (has_active()) timeout_ms = 0;
  /* libevent keeps the array. */
  for (nfds_t i = 0; i < fd_count; i++) {
    wanted[i] = fds[i].events;
    if (fds[i].fd >= 0 && unasked[fds[i].fd]) fds[i].events &= ~POLLOUT;
  }
  int count = ppoll(fds, fd_count, &zero, NULL);
  for (nfds_t i = 0; i < fd_count; i++) fds[i].events = wanted[i];
  return waited(count, timeout_ms * 1000LL);
}

int select(int limit, fd_set *reads, fd_set *writes, fd_set *others, struct timeval *timeout) {
  struct timespec zero = {0, 0};
  struct timeval now = {0, 0};
  before_wait();
  if (has_active()) timeout = &now;
  for (int fd = 0; writes != NULL && fd < limit; fd++)
    if (unasked[fd]) FD_CLR(fd, writes);
  int count = pselect(limit, reads, writes, others, &zero, NULL);
  return waited(count, timeout == NULL ? -1 : timeout->tv_sec * 1000000LL + timeout->tv_usec);
}

/*
 * With poll and select libevent starts at a random descriptor, one after the number it draws: now always at the first. And a group of
 * connections goes on with a random one: now always with its oldest.
 */
int evutil_weakrand_range_(void *state, int top) {
  (void)state;
  return top - 1;
}

static struct timeval milliseconds(const char *text) {
  long ms = atol(text);
  struct timeval time = {ms / 1000, ms % 1000 * 1000};
  return time;
}

/* ---- names ---- */

static const struct {
  const char *name;
  int value;
} flag_names[] = {{"TIMEOUT", EV_TIMEOUT}, {"READ", EV_READ}, {"WRITE", EV_WRITE}, {"SIGNAL", EV_SIGNAL}, {"PERSIST", EV_PERSIST},
  {"ET", EV_ET}, {"CLOSED", EV_CLOSED}, {"ONCE", EVLOOP_ONCE}, {"NONBLOCK", EVLOOP_NONBLOCK},
  {"NO_EXIT_ON_EMPTY", EVLOOP_NO_EXIT_ON_EMPTY}};
enum { EVENT_FLAGS = 7, ALL_FLAGS = 10 };

static int parse_flags(const char *text) {
  char copy[LINE_MAX_], *rest = copy, *word;
  int flags = 0;
  snprintf(copy, sizeof copy, "%s", text);
  while ((word = strsep(&rest, "|")) != NULL)
    for (int i = 0; i < ALL_FLAGS; i++)
      if (strcmp(word, flag_names[i].name) == 0) flags |= flag_names[i].value;
  return flags;
}

static const char *flags_text(int flags) {
  static char text[LINE_MAX_];
  text[0] = 0;
  for (int i = 0; i < EVENT_FLAGS; i++) {
    if ((flags & flag_names[i].value) == 0) continue;
    if (text[0] != 0) strcat(text, "|");
    strcat(text, flag_names[i].name);
  }
  return text[0] == 0 ? "none" : text;
}

static int signal_number(const char *name) {
  return strcmp(name, "USR1") == 0 ? SIGUSR1 : strcmp(name, "USR2") == 0 ? SIGUSR2 : atoi(name);
}

struct object *find(const char *name) {
  for (int i = 0; i < object_count; i++)
    if (strcmp(objects[i].name, name) == 0) return &objects[i];
  return NULL;
}

struct object *create(const char *name, const char *suffix) {
  struct object *object = &objects[object_count++];
  memset(object, 0, sizeof *object);
  snprintf(object->name, sizeof object->name, "%s%s", name, suffix);
  object->runs_max = 4;
  object->fd = -1;
  return object;
}

void name_fd(const char *name, const char *suffix, int fd) {
  struct object *object = create(name, suffix);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  object->fd = next_fd++;
  object->is_open = dup2(fd, object->fd) >= 0;
  close(fd);
}

/* ---- commands; each returns what is printed behind its line ---- */

static void run_line(const char *line);

static struct object *event_named(const char *name) {
  struct object *object = find(name);
  return object != NULL && object->event != NULL ? object : NULL;
}

int fd_named(const char *name) {
  struct object *object = find(name);
  return object != NULL && object->fd >= 0 ? object->fd : -1;
}

const char *fd_name(int fd) {
  for (int i = 0; i < object_count; i++)
    if (fd >= 0 && objects[i].fd == fd) return objects[i].name;
  return "";
}

int call(struct object *self, const char *what) {
  int is_spent = 0;
  depth++;
  printf("cb %s %s @%lld\n", self->name, what, now_us / 1000 - 1000000);
  if (++callbacks > CALLBACKS_MAX) {
    printf("too many callbacks\n");
    event_base_loopbreak(base);
  } else if (++self->runs > self->runs_max) {
    printf("spent %s\n", self->name);
    is_spent = 1;
  } else {
    for (int i = 0; i < self->script_lines; i++) run_line(self->script[i]);
  }
  printf("end %s\n", self->name);
  depth--;
  return is_spent;
}

static void on_event(evutil_socket_t fd, short what, void *argument) {
  struct object *self = argument;
  (void)fd;
  if (call(self, flags_text(what)) && self->event != NULL) event_del(self->event);
}

static int do_base(int count, char **words) {
  struct event_config *config = event_config_new();
  int priorities = 1;
  for (int i = 1; i < count; i++) {
    char *value = strchr(words[i], '=');
    value = value == NULL ? "" : value + 1;
    if (strncmp(words[i], "priorities=", 11) == 0) priorities = atoi(value);
    /* Our kqueue is compared with C's select: there is none on Linux. */
    int is_select = strcmp(words[i], "backend=select") == 0 || strcmp(words[i], "backend=kqueue") == 0;
    if (is_select || strcmp(words[i], "backend=poll") == 0) event_config_avoid_method(config, "epoll");
    if (is_select) event_config_avoid_method(config, "poll");
    if (strcmp(words[i], "backend=changelist") == 0) event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    if (strcmp(words[i], "nocache") == 0) event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
    if (strncmp(words[i], "limits=", 7) == 0) {
      /* callbacks,milliseconds,from priority; -1 means no limit */
      int callbacks_max = -1, interval_ms = -1, from_priority = 1;
      sscanf(value, "%d,%d,%d", &callbacks_max, &interval_ms, &from_priority);
      struct timeval interval = {interval_ms / 1000, interval_ms % 1000 * 1000};
      event_config_set_max_dispatch_interval(config, interval_ms < 0 ? NULL : &interval, callbacks_max, from_priority);
    }
  }
  base = event_base_new_with_config(config);
  event_config_free(config);
  return base == NULL ? -1 : priorities == 1 ? 0 : event_base_priority_init(base, priorities);
}

static int do_priorities(int count, char **words) { return count < 2 ? UNKNOWN : event_base_priority_init(base, atoi(words[1])); }

static int do_pair(int count, char **words) {
  int ends[2], is_pipe = strcmp(words[0], "pipe") == 0;
  if (count < 2 || (is_pipe ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) < 0) return -1;
  name_fd(words[1], "0", ends[0]);
  name_fd(words[1], "1", ends[1]);
  return 0;
}

static int do_null(int count, char **words) {
  if (count < 2) return UNKNOWN;
  name_fd(words[1], "", open("/dev/null", O_RDWR));
  return 0;
}

/* event E FD FLAGS, signal E SIG [FLAGS], timer E [FLAGS] */
static int do_event(int count, char **words) {
  int is_signal = words[0][0] == 's', is_timer = words[0][0] == 't', flags_at = is_timer ? 2 : 3, fd = -1;
  if (count < (is_timer ? 2 : 3)) return UNKNOWN;
  if (is_signal) fd = signal_number(words[2]);
  else if (!is_timer && strcmp(words[2], "-1") != 0 && (fd = fd_named(words[2])) < 0) return UNKNOWN;
  int flags = (count > flags_at ? parse_flags(words[flags_at]) : 0) | (is_signal ? EV_SIGNAL : 0);
  struct object *object = create(words[1], "");
  object->event = event_new(base, fd, flags, on_event, object);
  return object->event == NULL ? -1 : 0;
}

static int do_common(int count, char **words) {
  if (count < 3) return UNKNOWN;
  struct timeval duration = milliseconds(words[2]);
  struct object *object = create(words[1], "");
  object->common = event_base_init_common_timeout(base, &duration);
  return object->common == NULL ? -1 : 0;
}

static int do_priority(int count, char **words) {
  struct object *object = count < 3 ? NULL : event_named(words[1]);
  return object == NULL ? UNKNOWN : event_priority_set(object->event, atoi(words[2]));
}

static int do_add(int count, char **words) {
  struct object *object = count < 2 ? NULL : event_named(words[1]);
  if (object == NULL) return UNKNOWN;
  if (count < 3) return event_add(object->event, NULL);
  struct object *common = find(words[2]);
  if ((common == NULL || common->common == NULL) && words[2][strspn(words[2], "0123456789")] != 0) return UNKNOWN;
  struct timeval timeout = milliseconds(words[2]);
  return event_add(object->event, common != NULL && common->common != NULL ? common->common : &timeout);
}

static int do_del(int count, char **words) {
  struct object *object = count < 2 ? NULL : event_named(words[1]);
  return object == NULL ? UNKNOWN : event_del(object->event);
}

static int do_removetimer(int count, char **words) {
  struct object *object = count < 2 ? NULL : event_named(words[1]);
  return object == NULL ? UNKNOWN : event_remove_timer(object->event);
}

static int do_active(int count, char **words) {
  struct object *object = count < 3 ? NULL : event_named(words[1]);
  if (object == NULL) return UNKNOWN;
  event_active(object->event, parse_flags(words[2]), count > 3 ? atoi(words[3]) : 1);
  return 0;
}

/* once NAME FD FLAGS [MS]; the name is for the trace and for `on` */
static int do_once(int count, char **words) {
  if (count < 4) return UNKNOWN;
  int fd = fd_named(words[2]);
  if (fd < 0 && strcmp(words[2], "-1") != 0) return UNKNOWN;
  struct object *object = find(words[1]);
  if (object == NULL) object = create(words[1], "");
  struct timeval timeout = milliseconds(count > 4 ? words[4] : "0");
  return event_base_once(base, fd, parse_flags(words[3]), on_event, object, count > 4 ? &timeout : NULL);
}

static int do_pending(int count, char **words) {
  struct object *object = count < 2 ? NULL : event_named(words[1]);
  if (object == NULL) return UNKNOWN;
  int all = EV_READ | EV_WRITE | EV_CLOSED | EV_SIGNAL | EV_TIMEOUT;
  snprintf(note, sizeof note, "%s", flags_text(event_pending(object->event, all, NULL)));
  return 0;
}

static char bytes[65536];

static int do_write(int count, char **words) {
  int fd = count < 2 ? -1 : fd_named(words[1]);
  if (fd < 0) return UNKNOWN;
  int written = write(fd, bytes, count > 2 ? atoi(words[2]) : 1);
  return written < 0 ? -1 : written;
}

static int do_read(int count, char **words) {
  int fd = count < 2 ? -1 : fd_named(words[1]);
  if (fd < 0) return UNKNOWN;
  int got = read(fd, bytes, count > 2 ? atoi(words[2]) : 65536);
  return got < 0 ? -1 : got;
}

static int do_shutdown(int count, char **words) {
  int fd = count < 2 ? -1 : fd_named(words[1]);
  return fd < 0 ? UNKNOWN : shutdown(fd, SHUT_WR);
}

static int do_close(int count, char **words) {
  int fd = count < 2 ? -1 : fd_named(words[1]);
  return fd < 0 ? UNKNOWN : close(fd);
}

/* dup FD NEW gives the copy a new name, dup2 FD OLD puts it in the place of another. */
static int do_dup(int count, char **words) {
  int fd = count < 3 ? -1 : fd_named(words[1]);
  if (fd < 0) return UNKNOWN;
  if (strcmp(words[0], "dup2") == 0) return fd_named(words[2]) < 0 ? UNKNOWN : dup2(fd, fd_named(words[2])) < 0 ? -1 : 0;
  int copy = dup(fd);
  if (copy < 0) return -1;
  name_fd(words[2], "", copy);
  return 0;
}

static int do_raise(int count, char **words) {
  for (int i = 0, times = count > 2 ? atoi(words[2]) : 1; i < times; i++) raise(signal_number(words[1]));
  return count < 2 ? UNKNOWN : 0;
}

static int do_advance(int count, char **words) {
  now_us += count < 2 ? 0 : atol(words[1]) * 1000;
  return 0;
}

static int do_updatecache(int count, char **words) { return (void)count, (void)words, event_base_update_cache_time(base); }
static int do_loop(int count, char **words) { return event_base_loop(base, count > 1 ? parse_flags(words[1]) : 0); }
static int do_loopbreak(int count, char **words) { return (void)count, (void)words, event_base_loopbreak(base); }
static int do_loopcontinue(int count, char **words) { return (void)count, (void)words, event_base_loopcontinue(base); }

static int do_loopexit(int count, char **words) {
  struct timeval timeout = milliseconds(count > 1 ? words[1] : "0");
  return event_base_loopexit(base, count > 1 ? &timeout : NULL);
}

static int do_got(int count, char **words) {
  (void)count, (void)words;
  snprintf(note, sizeof note, "exit %d break %d", !!event_base_got_exit(base), !!event_base_got_break(base));
  return 0;
}

static int do_running(int count, char **words) {
  (void)count, (void)words;
  /* C follows a null pointer when it is asked outside callbacks. */
  struct event *running = depth == 0 ? NULL : event_base_get_running_event(base);
  for (int i = 0; i < object_count; i++)
    if (running != NULL && objects[i].event == running) snprintf(note, sizeof note, "%.31s", objects[i].name);
  return 0;
}

static const struct command loop_commands[] = {{"base", do_base}, {"priorities", do_priorities}, {"pair", do_pair}, {"pipe", do_pair}, {"null", do_null},
  {"event", do_event}, {"signal", do_event}, {"timer", do_event}, {"common", do_common}, {"priority", do_priority}, {"add", do_add},
  {"del", do_del}, {"removetimer", do_removetimer}, {"active", do_active}, {"once", do_once}, {"pending", do_pending},
  {"write", do_write}, {"read", do_read}, {"shutdown", do_shutdown}, {"close", do_close}, {"dup", do_dup}, {"dup2", do_dup},
  {"raise", do_raise}, {"advance", do_advance}, {"updatecache", do_updatecache}, {"loop", do_loop}, {"loopexit", do_loopexit},
  {"loopbreak", do_loopbreak}, {"loopcontinue", do_loopcontinue}, {"got", do_got}, {"running", do_running}, {NULL, NULL}};

/* One table for each noun of the language; a file of its own for each but the loop. */
static const struct command *const nouns[] = {loop_commands, buffer_commands, bufferevent_commands};

static void run_line(const char *line) {
  char copy[LINE_MAX_], *rest = copy, *words[WORDS_MAX], *word;
  int count = 0, result = UNKNOWN;
  snprintf(copy, sizeof copy, "%s", line);
  while (count < WORDS_MAX && (word = strsep(&rest, " ")) != NULL)
    if (*word != 0) words[count++] = word;
  if (count == 0) return;
  note[0] = 0;
  for (size_t noun = 0; noun < sizeof nouns / sizeof *nouns; noun++)
    for (const struct command *command = nouns[noun]; command->name != NULL; command++)
      if (strcmp(words[0], command->name) == 0) result = command->run(count, words);
  if (result == UNKNOWN) printf("%s = unknown\n", line);
  else printf("%s = %d%s%s\n", line, result, note[0] == 0 ? "" : " ", note);
  note[0] = 0;
}

/* ---- scenarios ---- */

static void begin(void) {
  object_count = callbacks = waits = depth = 0;
  next_fd = FIRST_FD;
  now_us = 1000000000;
  base = NULL;
  memset(unasked, 0, sizeof unasked);
  memset(asked, 0, sizeof asked);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  alarm(20);
}

static void finish(void) {
  for (int i = 0; i < object_count; i++) {
    if (objects[i].release != NULL) objects[i].release(&objects[i]);
    if (objects[i].event != NULL) event_free(objects[i].event);
  }
  if (base != NULL) event_base_free(base);
  base = NULL;
  end_connections();
  for (int fd = FIRST_FD; fd < next_fd; fd++) close(fd);
}

static void ignore_log(int severity, const char *message) { (void)severity, (void)message; }

static void fatal(int error) {
  printf("fatal error %d\n", error);
  fflush(stdout);
  _exit(1);
}

/* Reads a file of scenarios: "scenario NAME", its lines, "end". Prints the same frame around each trace. */
int main(int argument_count, char **arguments) {
  static char buffer[1 << 16];
  char line[LINE_MAX_];
  struct object *scripted = NULL;
  int in_script = 0;
  FILE *input = argument_count > 1 ? fopen(arguments[1], "r") : stdin;
  if (input == NULL) return 2;
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  event_set_log_callback(ignore_log);
  event_set_fatal_callback(fatal);
  while (fgets(line, sizeof line, input) != NULL) {
    line[strcspn(line, "\n")] = 0;
    const char *text = line + strspn(line, " ");
    char name[32] = "";
    if (in_script && strcmp(text, "}") != 0) {
      if (scripted != NULL && scripted->script_lines < LINES_MAX) strcpy(scripted->script[scripted->script_lines++], text);
    } else if (in_script) {
      in_script = 0;
    } else if (strncmp(text, "scenario ", 9) == 0) {
      printf("%s\n", text);
      begin();
    } else if (strcmp(text, "end") == 0) {
      finish();
      printf("end\n");
      fflush(stdout);
    } else if (strncmp(text, "on ", 3) == 0) {
      int runs_max = 4;
      sscanf(text, "on %31s %d", name, &runs_max);
      if ((scripted = find(name)) == NULL) scripted = create(name, "");
      scripted->runs_max = runs_max;
      scripted->script_lines = 0;
      in_script = 1;
    } else if (*text != 0 && *text != '#') {
      run_line(text);
    }
  }
  return 0;
}

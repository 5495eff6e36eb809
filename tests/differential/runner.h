/* What the parts of the runner share: named objects, their scripts, and the tables of commands, one for each noun of the language. */
#ifndef RUNNER_H
#define RUNNER_H
#include <event2/buffer.h>
#include <event2/event.h>

enum { LINE_MAX_ = 160, LINES_MAX = 64, NOTE_MAX = 512, UNKNOWN = -1000 };

/* Anything that has a name: a descriptor, an event, a common timeout, or what another noun keeps in `value`. */
struct object {
  char name[32];
  int is_open, fd;
  struct event *event;
  const struct timeval *common;
  char script[LINES_MAX][LINE_MAX_];
  int script_lines, runs, runs_max;
  /* The noun's own, and what is called for it when the scenario ends. */
  void *value;
  void (*release)(struct object *self);
};

/* A command gets its words, itself first, and returns what is printed behind its line, or UNKNOWN for names it does not know. */
struct command {
  const char *name;
  int (*run)(int count, char **words);
};

extern struct event_base *base;
/* Printed behind the result of the running command. */
extern char note[NOTE_MAX];

struct object *find(const char *name);
struct object *create(const char *name, const char *suffix);
int fd_named(const char *name);
/* The name of a descriptor, "" for none that has one. */
const char *fd_name(int fd);
/* Moves `fd` to the number that the other side gives it too, so that both see descriptors in the same order. */
void name_fd(const char *name, const char *suffix, int fd);

/* Prints that a callback runs, and runs its script; true when it has run more often than it shall. */
int call(struct object *self, const char *what);

/* What words of scenarios say: \r \n \0 \s and \\ stand for bytes, "" for nothing, and ab*3 for ababab. */
extern char text[];
/* Puts the bytes of a word into `text`, and returns their number. */
long parse_text(const char *word);
/* Puts bytes into the note; many of them as a checksum. */
void note_bytes(const char *bytes, long length);
void note_buffer(struct evbuffer *buffer);

/* Descriptors of whose writability the kernel is not to be asked, whatever libevent waits for. */
enum { FD_LIMIT = 1024 };
extern unsigned char unasked[FD_LIMIT];
/* Called when the loop is about to wait. */
void before_wait(void);
/* Called when the base is gone. */
void end_connections(void);

/* Each table ends with a name of NULL. */
extern const struct command buffer_commands[];
extern const struct command bufferevent_commands[];

#endif

/* The commands that begin with "buf": byte buffers. buffers.ts does the same on ours. */
#define _GNU_SOURCE
#include "runner.h"
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 19, SHOWN_MAX = 48, EXTENTS_MAX = 4 };

/* A buffer and what is reserved in it, or a callback and the buffer it is registered with. */
struct part {
  struct evbuffer *buffer;
  struct evbuffer_cb_entry *callback;
  struct evbuffer_iovec extents[EXTENTS_MAX];
  int extent_count;
  long reserved;
};

/* Set when a scenario is over: what is released then is not told. */
static int is_over;

static void release(struct object *self) {
  struct part *part = self->value;
  is_over = 1;
  if (part->callback == NULL) evbuffer_free(part->buffer);
  free(part);
}

/* NULL when the name is in use; a script may have been written for it before. */
static struct part *make(const char *name) {
  struct object *object = find(name);
  if (object == NULL) object = create(name, "");
  if (object->value != NULL) return NULL;
  object->value = calloc(1, sizeof(struct part));
  object->release = release;
  return object->value;
}

static struct part *part_named(int count, char **words, int at) {
  struct object *object = count > at ? find(words[at]) : NULL;
  return object != NULL && object->release == release ? object->value : NULL;
}

static struct evbuffer *buffer_named(int count, char **words, int at) {
  struct part *part = part_named(count, words, at);
  return part == NULL || part->callback != NULL ? NULL : part->buffer;
}

/* ---- text ---- */

char text[TEXT_MAX];

long parse_text(const char *word) {
  long length = 0, times = 1;
  const char *star = strrchr(word, '*');
  if (strcmp(word, "\"\"") == 0) return 0;
  for (const char *at = word; *at != 0 && at != star; at++) {
    char byte = *at;
    if (byte == '\\' && at[1] != 0) {
      at++;
      byte = *at == 'r' ? '\r' : *at == 'n' ? '\n' : *at == '0' ? 0 : *at == 's' ? ' ' : *at;
    }
    text[length++] = byte;
  }
  if (star != NULL) times = atol(star + 1);
  for (long time = 1; time < times && (time + 1) * length <= TEXT_MAX; time++) memcpy(text + time * length, text, length);
  return times < 1 ? 0 : length * times;
}

void note_bytes(const char *bytes, long length) {
  char *out = note + strlen(note);
  if (length > SHOWN_MAX) {
    unsigned hash = 2166136261u;
    for (long i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    sprintf(out, "%ld bytes %08x", length, hash);
    return;
  }
  *out++ = '"';
  for (long i = 0; i < length; i++) {
    const char *special = memchr("\r\n\0 \\\"", bytes[i], 6);
    if (special == NULL) *out++ = bytes[i];
    else out += sprintf(out, "\\%c", "rn0s\\\""[special - "\r\n\0 \\\""]);
  }
  *out++ = '"';
  *out = 0;
}

void note_buffer(struct evbuffer *buffer) {
  /* Not evbuffer_copyout, which refuses where the front is frozen. */
  int count = evbuffer_peek(buffer, -1, NULL, NULL, 0);
  struct evbuffer_iovec *extents = calloc(count + 1, sizeof *extents);
  char *seen = malloc(evbuffer_get_length(buffer) + 1);
  long length = 0;
  evbuffer_peek(buffer, -1, NULL, extents, count);
  for (int i = 0; i < count; i++) {
    memcpy(seen + length, extents[i].iov_base, extents[i].iov_len);
    length += extents[i].iov_len;
  }
  note_bytes(seen, length);
  free(extents);
  free(seen);
}

static int do_buf(int count, char **words) {
  if (count < 2) return UNKNOWN;
  struct part *part = make(words[1]);
  if (part == NULL) return UNKNOWN;
  part->buffer = evbuffer_new();
  is_over = 0;
  return 0;
}

static int do_add(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  if (buffer == NULL || count < 3) return UNKNOWN;
  long length = parse_text(words[2]);
  return strcmp(words[0], "buf.prepend") == 0 ? evbuffer_prepend(buffer, text, length) : evbuffer_add(buffer, text, length);
}

static int do_addall(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  struct evbuffer_iovec pieces[8];
  size_t total = 0;
  if (buffer == NULL) return UNKNOWN;
  for (int i = 2; i < count; i++) {
    pieces[i - 2].iov_len = parse_text(words[i]);
    total += pieces[i - 2].iov_len;
    pieces[i - 2].iov_base = memcpy(malloc(pieces[i - 2].iov_len + 1), text, pieces[i - 2].iov_len);
  }
  /* The one call that says of a failure that it added nothing. */
  int result = evbuffer_add_iovec(buffer, pieces, count - 2);
  if (result == 0 && total > 0) result = -1;
  for (int i = 2; i < count; i++) free(pieces[i - 2].iov_base);
  return result;
}

/* Memory behind a reference, and the name under which its release is told. */
struct borrowed {
  char name[32];
  char bytes[];
};

static void on_release(const void *data, size_t length, void *argument) {
  struct borrowed *borrowed = argument;
  (void)data;
  if (!is_over) printf("released %s %zu\n", borrowed->name, length);
  free(borrowed);
}

/* buf.ref B TEXT NAME */
static int do_ref(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  if (buffer == NULL || count < 4) return UNKNOWN;
  long length = parse_text(words[2]);
  struct borrowed *borrowed = malloc(sizeof *borrowed + length);
  snprintf(borrowed->name, sizeof borrowed->name, "%s", words[3]);
  memcpy(borrowed->bytes, text, length);
  int result = evbuffer_add_reference(buffer, borrowed->bytes, length, on_release, borrowed);
  if (result < 0) free(borrowed);
  return result;
}

/* buf.share B SOURCE, buf.addbuf B SOURCE, buf.prependbuf B SOURCE, buf.move SOURCE B N */
static int do_two(int count, char **words) {
  struct evbuffer *one = buffer_named(count, words, 1), *other = buffer_named(count, words, 2);
  if (one == NULL || other == NULL) return UNKNOWN;
  if (strcmp(words[0], "buf.share") == 0) return evbuffer_add_buffer_reference(one, other);
  if (strcmp(words[0], "buf.addbuf") == 0) return evbuffer_add_buffer(one, other);
  if (strcmp(words[0], "buf.prependbuf") == 0) return evbuffer_prepend_buffer(one, other);
  return count < 4 ? UNKNOWN : evbuffer_remove_buffer(one, other, atol(words[3]));
}

static int do_drain(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  return buffer == NULL || count < 3 ? UNKNOWN : evbuffer_drain(buffer, atol(words[2]));
}

/* Sets a position, and says whether the buffer has it. Without a word it is the first. */
static int position(struct evbuffer *buffer, struct evbuffer_ptr *pointer, const char *word) {
  return evbuffer_ptr_set(buffer, pointer, word == NULL ? 0 : strtoul(word, NULL, 10), EVBUFFER_PTR_SET);
}

/* buf.remove B N, buf.copyout B N [FROM], buf.pullup B N, buf.peek B N [FROM], buf.show B */
static int do_look(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  struct evbuffer_ptr from;
  /* Not `text`: a callback may use that meanwhile. */
  char *seen = buffer == NULL ? NULL : malloc(evbuffer_get_length(buffer) + 1);
  int is_show = strcmp(words[0], "buf.show") == 0;
  if (buffer == NULL || (count < 3 && !is_show)) return free(seen), UNKNOWN;
  long wanted = is_show ? -1 : atol(words[2]), length = -1;
  if (position(buffer, &from, count > 3 ? words[3] : NULL) < 0) return free(seen), -1;
  if (strcmp(words[0], "buf.remove") == 0) {
    length = evbuffer_remove(buffer, seen, wanted);
  } else if (strcmp(words[0], "buf.copyout") == 0) {
    length = evbuffer_copyout_from(buffer, count > 3 ? &from : NULL, seen, wanted);
  } else if (strcmp(words[0], "buf.pullup") == 0) {
    unsigned char *bytes = evbuffer_pullup(buffer, wanted);
    if (bytes != NULL) memcpy(seen, bytes, length = wanted < 0 ? (long)evbuffer_get_length(buffer) : wanted);
  } else {
    /* The last extent may show more than was asked for. */
    int extent_count = evbuffer_peek(buffer, wanted, &from, NULL, 0);
    struct evbuffer_iovec *extents = calloc(extent_count + 1, sizeof *extents);
    evbuffer_peek(buffer, wanted, &from, extents, extent_count);
    length = 0;
    for (int i = 0; i < extent_count; i++) {
      memcpy(seen + length, extents[i].iov_base, extents[i].iov_len);
      length += extents[i].iov_len;
    }
    if (wanted >= 0 && length > wanted) length = wanted;
    free(extents);
  }
  if (length >= 0) note_bytes(seen, length);
  free(seen);
  return length;
}

static enum evbuffer_eol_style style_named(const char *name) {
  static const char *names[] = {"ANY", "CRLF", "CRLF_STRICT", "LF", "NUL"};
  for (int i = 0; i < 5; i++)
    if (strcmp(names[i], name) == 0) return i;
  return 9;
}

static int do_readln(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  size_t length;
  if (buffer == NULL || count < 3) return UNKNOWN;
  char *line = evbuffer_readln(buffer, &length, style_named(words[2]));
  if (line == NULL) return -1;
  note_bytes(line, length);
  free(line);
  return length;
}

/* buf.eol B STYLE [FROM] */
static int do_eol(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  struct evbuffer_ptr from;
  size_t length;
  if (buffer == NULL || count < 3) return UNKNOWN;
  if (position(buffer, &from, count > 3 ? words[3] : NULL) < 0) return -1;
  struct evbuffer_ptr found = evbuffer_search_eol(buffer, count > 3 ? &from : NULL, &length, style_named(words[2]));
  if (found.pos >= 0) snprintf(note, sizeof note, "length %zu", length);
  return found.pos;
}

/* buf.search B TEXT [FROM [TO]] */
static int do_search(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  struct evbuffer_ptr from, to;
  if (buffer == NULL || count < 3) return UNKNOWN;
  if (position(buffer, &from, count > 3 ? words[3] : NULL) < 0 || position(buffer, &to, count > 4 ? words[4] : NULL) < 0) return -1;
  long length = parse_text(words[2]);
  if (count > 4) return evbuffer_search_range(buffer, text, length, &from, &to).pos;
  return evbuffer_search(buffer, text, length, count > 3 ? &from : NULL).pos;
}

/* buf.ptr B POSITION [STEP...] */
static int do_ptr(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  struct evbuffer_ptr at;
  if (buffer == NULL || count < 3) return UNKNOWN;
  int result = position(buffer, &at, words[2]);
  snprintf(note, sizeof note, "at %zd", at.pos);
  for (int i = 3; i < count; i++) {
    result = evbuffer_ptr_set(buffer, &at, strtoul(words[i], NULL, 10), EVBUFFER_PTR_ADD);
    snprintf(note + strlen(note), 32, " %zd", at.pos);
  }
  return result;
}

static int do_freeze(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  if (buffer == NULL || count < 3) return UNKNOWN;
  int is_front = strcmp(words[2], "front") == 0;
  return strcmp(words[0], "buf.freeze") == 0 ? evbuffer_freeze(buffer, is_front) : evbuffer_unfreeze(buffer, is_front);
}

static int do_expand(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  return buffer == NULL || count < 3 ? UNKNOWN : evbuffer_expand(buffer, strtoul(words[2], NULL, 10));
}

/* buf.reserve B N [EXTENTS] */
static int do_reserve(int count, char **words) {
  struct part *part = part_named(count, words, 1);
  if (part == NULL || part->callback != NULL || count < 3) return UNKNOWN;
  part->reserved = atol(words[2]);
  part->extent_count = evbuffer_reserve_space(part->buffer, part->reserved, part->extents, count > 3 ? atoi(words[3]) : 1);
  return part->extent_count < 0 ? -1 : 0;
}

/* buf.commit B TEXT; the text must not be longer than what was asked for. */
static int do_commit(int count, char **words) {
  struct part *part = part_named(count, words, 1);
  if (part == NULL || part->callback != NULL || count < 3) return UNKNOWN;
  long length = parse_text(words[2]), done = 0;
  int used = 0;
  if (length > part->reserved || part->extent_count < 0) return UNKNOWN;
  for (; used < part->extent_count && done < length; used++) {
    struct evbuffer_iovec *extent = &part->extents[used];
    if ((long)extent->iov_len > length - done) extent->iov_len = length - done;
    memcpy(extent->iov_base, text + done, extent->iov_len);
    done += extent->iov_len;
  }
  part->reserved = -1;
  return evbuffer_commit_space(part->buffer, part->extents, used);
}

static void on_change(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *argument) {
  char what[96];
  struct object *self = argument;
  snprintf(what, sizeof what, "%zu +%zu -%zu", info->orig_size, info->n_added, info->n_deleted);
  int is_spent = call(self, what);
  struct part *part = self->value;
  if (is_spent && part != NULL) evbuffer_cb_clear_flags(buffer, part->callback, EVBUFFER_CB_ENABLED);
}

/* buf.on B NAME */
static int do_on(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  if (buffer == NULL || count < 3) return UNKNOWN;
  struct part *part = make(words[2]);
  if (part == NULL) return UNKNOWN;
  part->buffer = buffer;
  part->callback = evbuffer_add_cb(buffer, on_change, find(words[2]));
  return 0;
}

/* buf.off NAME, buf.enable NAME, buf.disable NAME */
static int do_callback(int count, char **words) {
  struct part *part = part_named(count, words, 1);
  if (part == NULL || part->callback == NULL) return UNKNOWN;
  if (strcmp(words[0], "buf.enable") == 0) return evbuffer_cb_set_flags(part->buffer, part->callback, EVBUFFER_CB_ENABLED);
  if (strcmp(words[0], "buf.disable") == 0) return evbuffer_cb_clear_flags(part->buffer, part->callback, EVBUFFER_CB_ENABLED);
  int result = evbuffer_remove_cb_entry(part->buffer, part->callback);
  struct object *object = find(words[1]);
  free(object->value);
  object->value = NULL;
  object->release = NULL;
  return result;
}

static int do_defer(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  return buffer == NULL ? UNKNOWN : evbuffer_defer_callbacks(buffer, base);
}

/* buf.read B FD [N], buf.write B FD [N] */
static int do_transfer(int count, char **words) {
  struct evbuffer *buffer = buffer_named(count, words, 1);
  int fd = count < 3 ? -1 : fd_named(words[2]);
  if (buffer == NULL || fd < 0) return UNKNOWN;
  long most = count > 3 ? atol(words[3]) : -1;
  return strcmp(words[0], "buf.read") == 0 ? evbuffer_read(buffer, fd, most) : evbuffer_write_atmost(buffer, fd, most);
}

const struct command buffer_commands[] = {{"buf", do_buf}, {"buf.add", do_add}, {"buf.prepend", do_add}, {"buf.addall", do_addall},
  {"buf.ref", do_ref}, {"buf.share", do_two}, {"buf.addbuf", do_two}, {"buf.prependbuf", do_two}, {"buf.move", do_two},
  {"buf.drain", do_drain}, {"buf.remove", do_look}, {"buf.copyout", do_look}, {"buf.pullup", do_look}, {"buf.peek", do_look},
  {"buf.show", do_look}, {"buf.readln", do_readln}, {"buf.eol", do_eol}, {"buf.search", do_search}, {"buf.ptr", do_ptr},
  {"buf.freeze", do_freeze}, {"buf.unfreeze", do_freeze}, {"buf.expand", do_expand}, {"buf.reserve", do_reserve},
  {"buf.commit", do_commit}, {"buf.on", do_on}, {"buf.off", do_callback}, {"buf.enable", do_callback},
  {"buf.disable", do_callback}, {"buf.defer", do_defer}, {"buf.read", do_transfer}, {"buf.write", do_transfer}, {NULL, NULL}};

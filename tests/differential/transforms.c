/* What filters of scenarios do to the bytes; transforms.ts does the same on ours. */
#include "connections.h"
#include <string.h>

/* Every byte twice, as long as that is no more than the limit. */
static enum bufferevent_filter_result twice(struct evbuffer *source, struct evbuffer *target, ev_ssize_t limit,
  enum bufferevent_flush_mode mode, void *argument) {
  char byte[2];
  long done = 0;
  (void)mode, (void)argument;
  while ((limit < 0 || done + 2 <= limit || done == 0) && evbuffer_remove(source, byte, 1) == 1) {
    byte[1] = byte[0];
    evbuffer_add(target, byte, 2);
    done += 2;
  }
  return done > 0 ? BEV_OK : BEV_NEED_MORE;
}

/* Every second byte; an odd one waits for its neighbour. */
static enum bufferevent_filter_result half(struct evbuffer *source, struct evbuffer *target, ev_ssize_t limit,
  enum bufferevent_flush_mode mode, void *argument) {
  char bytes[2];
  long done = 0;
  (void)argument;
  while ((limit < 0 || done < limit || done == 0) && evbuffer_get_length(source) >= (mode == BEV_FINISHED ? 1 : 2)) {
    evbuffer_remove(source, bytes, 2);
    evbuffer_add(target, bytes, 1);
    done++;
  }
  return done > 0 ? BEV_OK : BEV_NEED_MORE;
}

/* Groups of four bytes; any number of them only when told to pass on what there is. */
static enum bufferevent_filter_result fours(struct evbuffer *source, struct evbuffer *target, ev_ssize_t limit,
  enum bufferevent_flush_mode mode, void *argument) {
  size_t length = evbuffer_get_length(source);
  (void)argument;
  if (mode == BEV_NORMAL) length -= length % 4;
  if (limit >= 4 && length > (size_t)limit) length = limit - limit % 4;
  else if (limit >= 0 && limit < 4 && length > 4) length = 4;
  if (length == 0) return BEV_NEED_MORE;
  evbuffer_remove_buffer(source, target, length);
  return BEV_OK;
}

/* Can do nothing. */
static enum bufferevent_filter_result broken(struct evbuffer *source, struct evbuffer *target, ev_ssize_t limit,
  enum bufferevent_flush_mode mode, void *argument) {
  (void)source, (void)target, (void)limit, (void)mode, (void)argument;
  return BEV_ERROR;
}

bufferevent_filter_cb transform_named(const char *name) {
  if (strcmp(name, "twice") == 0) return twice;
  if (strcmp(name, "half") == 0) return half;
  if (strcmp(name, "fours") == 0) return fours;
  return strcmp(name, "broken") == 0 ? broken : NULL;
}

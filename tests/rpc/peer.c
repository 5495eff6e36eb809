/*
 * C libevent as the other side of tagged data and calls. The structures are those of letter.ts, written by hand as event_rpcgen.py would.
 *
 *   peer write          prints the bytes of a record of each kind
 *   peer read           reads such records from its input, and prints what they say
 *   peer server         serves Echo and Incomplete, prints its port, and ends when its input does
 *   peer client PORT    calls Echo with a full letter, then Incomplete, then a call that nobody serves; prints what came of each
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_compat.h>
#include <event2/http.h>
#include <event2/rpc.h>
#include <event2/rpc_struct.h>
#include <event2/tag.h>

#define MOST 8

struct blob {
  unsigned char *data;
  uint32_t length;
};

struct duel {
  char *weapon, *call;
  uint32_t rounds[MOST];
  int round_count;
};

struct errand {
  char *how, *notes[MOST];
  struct blob parcel;
  unsigned char seal[24];
  uint64_t distance;
  uint32_t prices[MOST];
  int has_parcel, has_seal, has_distance, note_count, price_count;
};

struct letter {
  char *sender, *receiver;
  struct duel duel;
  int has_duel;
  struct errand errands[MOST];
  int errand_count;
};

static void duel_marshal(struct evbuffer *out, const struct duel *duel) {
  evtag_marshal_string(out, 0x10121, duel->weapon);
  evtag_marshal_string(out, 2, duel->call);
  for (int i = 0; i < duel->round_count; i++) evtag_marshal_int(out, 3, duel->rounds[i]);
}

static void errand_marshal(struct evbuffer *out, const struct errand *errand) {
  evtag_marshal_string(out, 1, errand->how);
  if (errand->has_parcel) evtag_marshal(out, 2, errand->parcel.data, errand->parcel.length);
  evtag_marshal(out, 3, errand->seal, sizeof errand->seal);
  for (int i = 0; i < errand->note_count; i++) evtag_marshal_string(out, 4, errand->notes[i]);
  if (errand->has_distance) evtag_marshal_int64(out, 5, errand->distance);
  for (int i = 0; i < errand->price_count; i++) evtag_marshal_int(out, 6, errand->prices[i]);
}

static void letter_marshal(struct evbuffer *out, void *value) {
  const struct letter *letter = value;
  struct evbuffer *part = evbuffer_new();
  evtag_marshal_string(out, 1, letter->sender);
  evtag_marshal_string(out, 2, letter->receiver);
  if (letter->has_duel) {
    duel_marshal(part, &letter->duel);
    evtag_marshal_buffer(out, 3, part);
  }
  for (int i = 0; i < letter->errand_count; i++) {
    errand_marshal(part, &letter->errands[i]);
    evtag_marshal_buffer(out, 4, part);
  }
  evbuffer_free(part);
}

static int duel_unmarshal(struct duel *duel, struct evbuffer *in) {
  uint32_t tag;
  while (evbuffer_get_length(in) > 0) {
    if (evtag_peek(in, &tag) == -1) return -1;
    if (tag == 0x10121) {
      if (duel->weapon || evtag_unmarshal_string(in, tag, &duel->weapon) == -1) return -1;
    } else if (tag == 2) {
      if (duel->call || evtag_unmarshal_string(in, tag, &duel->call) == -1) return -1;
    } else if (tag == 3 && duel->round_count < MOST) {
      if (evtag_unmarshal_int(in, tag, &duel->rounds[duel->round_count++]) == -1) return -1;
    } else {
      return -1;
    }
  }
  return duel->weapon && duel->call ? 0 : -1;
}

static int errand_unmarshal(struct errand *errand, struct evbuffer *in) {
  uint32_t tag;
  while (evbuffer_get_length(in) > 0) {
    if (evtag_peek(in, &tag) == -1) return -1;
    switch (tag) {
      case 1:
        if (errand->how || evtag_unmarshal_string(in, tag, &errand->how) == -1) return -1;
        break;
      case 2:
        if (errand->has_parcel || evtag_payload_length(in, &errand->parcel.length) == -1) return -1;
        if (errand->parcel.length > evbuffer_get_length(in)) return -1;
        errand->parcel.data = malloc(errand->parcel.length + 1);
        if (evtag_unmarshal_fixed(in, tag, errand->parcel.data, errand->parcel.length) == -1) return -1;
        errand->has_parcel = 1;
        break;
      case 3:
        if (errand->has_seal || evtag_unmarshal_fixed(in, tag, errand->seal, sizeof errand->seal) == -1) return -1;
        errand->has_seal = 1;
        break;
      case 4:
        if (errand->note_count == MOST) return -1;
        if (evtag_unmarshal_string(in, tag, &errand->notes[errand->note_count++]) == -1) return -1;
        break;
      case 5:
        if (errand->has_distance || evtag_unmarshal_int64(in, tag, &errand->distance) == -1) return -1;
        errand->has_distance = 1;
        break;
      case 6:
        if (errand->price_count == MOST) return -1;
        if (evtag_unmarshal_int(in, tag, &errand->prices[errand->price_count++]) == -1) return -1;
        break;
      default:
        return -1;
    }
  }
  return errand->how && errand->has_seal ? 0 : -1;
}

static int letter_unmarshal(void *value, struct evbuffer *in) {
  struct letter *letter = value;
  struct evbuffer *part = evbuffer_new();
  uint32_t tag;
  int result = -1;
  while (evbuffer_get_length(in) > 0) {
    if (evtag_peek(in, &tag) == -1) goto end;
    if (tag == 1) {
      if (letter->sender || evtag_unmarshal_string(in, tag, &letter->sender) == -1) goto end;
    } else if (tag == 2) {
      if (letter->receiver || evtag_unmarshal_string(in, tag, &letter->receiver) == -1) goto end;
    } else if (tag == 3 && !letter->has_duel) {
      if (evtag_unmarshal(in, &tag, part) == -1 || duel_unmarshal(&letter->duel, part) == -1) goto end;
      letter->has_duel = 1;
    } else if (tag == 4 && letter->errand_count < MOST) {
      if (evtag_unmarshal(in, &tag, part) == -1) goto end;
      if (errand_unmarshal(&letter->errands[letter->errand_count++], part) == -1) goto end;
    } else {
      goto end;
    }
  }
  if (letter->sender && letter->receiver) result = 0;
end:
  evbuffer_free(part);
  return result;
}

static void *letter_new(void *unused) {
  (void)unused;
  return calloc(1, sizeof(struct letter));
}

static void letter_clear(void *value) {
  struct letter *letter = value;
  free(letter->sender);
  free(letter->receiver);
  free(letter->duel.weapon);
  free(letter->duel.call);
  for (int i = 0; i < MOST; i++) {
    struct errand *errand = &letter->errands[i];
    free(errand->how);
    free(errand->parcel.data);
    for (int j = 0; j < MOST; j++) free(errand->notes[j]);
  }
  memset(letter, 0, sizeof *letter);
}

static void letter_free(void *value) {
  letter_clear(value);
  free(value);
}

static int letter_complete(void *value) {
  const struct letter *letter = value;
  return letter->sender && letter->receiver ? 0 : -1;
}

/* The letter that fullLetter() in letter.ts makes. */
static void letter_fill(struct letter *letter) {
  struct errand *errand = letter->errands;
  letter->sender = strdup("t\xc3\xbctter");
  letter->receiver = strdup("phoenix");
  letter->duel = (struct duel){strdup("feather"), strdup("en garde"), {1, 0x12345678, 0xffffffff}, 3};
  letter->has_duel = 1;
  letter->errand_count = 2;
  errand->how = strdup("fast");
  errand->parcel = (struct blob){malloc(4), 4};
  memcpy(errand->parcel.data, "\x00\x01\x02\xff", 4);
  errand->has_parcel = errand->has_distance = 1;
  for (int i = 0; i < 24; i++) errand->seal[i] = i * 7;
  errand->notes[0] = strdup("mind the step");
  errand->notes[1] = strdup("");
  errand->notes[2] = strdup("\xe2\x82\xac");
  errand->note_count = 3;
  errand->distance = 0xfedcba9876543210u;
  errand->prices[1] = 15;
  errand->prices[2] = 16;
  errand->price_count = 3;
  errand[1].how = strdup("");
}

static void print_bytes(struct evbuffer *bytes) {
  while (evbuffer_get_length(bytes) > 0 && evbuffer_write(bytes, 1) > 0) {
  }
}

static int write_tags(void) {
  struct evbuffer *out = evbuffer_new(), *payload = evbuffer_new();
  static const uint32_t integers[] = {0, 1, 0xf, 0x10, 0xaf0, 0x1000, 0xbef00, 0xdeadbeef, 0xffffffff};
  static const uint64_t long_integers[] = {0, 0xdeadbeef, 0x100000000, 0x0123456789abcdef, 0xfedcba9876543210, 0xffffffffffffffff};
  struct timeval time = {1700000000, 999999};
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
    evtag_encode_int(out, integers[i]);
    evtag_marshal_int(out, integers[i], integers[i]);
  }
  for (size_t i = 0; i < sizeof long_integers / sizeof *long_integers; i++) {
    evtag_encode_int64(out, long_integers[i]);
    evtag_marshal_int64(out, 5, long_integers[i]);
  }
  evtag_marshal_string(out, 0x7f, "niels");
  evtag_marshal_string(out, 0x80, "");
  evtag_marshal_timeval(out, 0x166, &time);
  evtag_marshal(out, 0x10121, "\x00\xff", 2);
  for (int i = 0; i < 5000; i++) evbuffer_add(payload, "x", 1);
  evtag_marshal_buffer(out, 7, payload);
  print_bytes(out);
  return 0;
}

static int read_tags(void) {
  struct evbuffer *in = evbuffer_new(), *payload = evbuffer_new();
  struct timeval time;
  uint32_t tag, number, length;
  uint64_t long_number;
  unsigned char fixed[2];
  char *text;
  while (evbuffer_read(in, 0, -1) > 0) {
  }
  if (evtag_unmarshal_int(in, 3, &number) == -1) return 1;
  printf("int %x\n", number);
  if (evtag_unmarshal_int(in, 0xffffffff, &number) == -1) return 2;
  printf("int %x\n", number);
  if (evtag_unmarshal_int64(in, 5, &long_number) == -1) return 3;
  printf("int64 %llx\n", (unsigned long long)long_number);
  if (evtag_unmarshal_string(in, 0x80, &text) == -1) return 4;
  printf("string %s\n", text);
  if (evtag_unmarshal_timeval(in, 2, &time) == -1) return 5;
  printf("timeval %ld %ld\n", (long)time.tv_sec, (long)time.tv_usec);
  if (evtag_unmarshal_fixed(in, 0x10121, fixed, 2) == -1) return 6;
  printf("fixed %02x%02x\n", fixed[0], fixed[1]);
  if (evtag_peek(in, &tag) == -1 || evtag_payload_length(in, &length) == -1) return 7;
  printf("peek %u %u\n", tag, length);
  if (evtag_peek_length(in, &length) == -1 || evtag_consume(in) == -1) return 8;
  printf("consumed %u\n", length);
  if (evtag_unmarshal(in, &tag, payload) == -1 || evtag_unmarshal_int(payload, 1, &number) == -1) return 9;
  printf("nested %u %x %d\n", tag, number, (int)evbuffer_get_length(payload));
  printf("left %d\n", (int)evbuffer_get_length(in));
  return 0;
}

static void echo(struct evrpc_req_generic *call, void *unused) {
  struct evbuffer *bytes = evbuffer_new();
  (void)unused;
  letter_marshal(bytes, evrpc_get_request(call));
  letter_unmarshal(evrpc_get_reply(call), bytes);
  evbuffer_free(bytes);
  evrpc_request_done(call);
}

static void leave_incomplete(struct evrpc_req_generic *call, void *unused) {
  (void)unused;
  evrpc_request_done(call);
}

static void input_ended(evutil_socket_t fd, short what, void *base) {
  char rest[64];
  (void)what;
  if (read(fd, rest, sizeof rest) <= 0) event_base_loopbreak(base);
}

static int serve(void) {
  struct event_base *base = event_base_new();
  struct evhttp *http = evhttp_new(base);
  struct evrpc_base *rpc = evrpc_init(http);
  struct evhttp_bound_socket *socket = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  evrpc_register_generic(rpc, "Echo", echo, NULL, letter_new, NULL, letter_free, letter_unmarshal, letter_new, NULL,
                         letter_free, letter_complete, letter_marshal);
  evrpc_register_generic(rpc, "Incomplete", leave_incomplete, NULL, letter_new, NULL, letter_free, letter_unmarshal,
                         letter_new, NULL, letter_free, letter_complete, letter_marshal);
  getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  event_add(event_new(base, 0, EV_READ | EV_PERSIST, input_ended, base), NULL);
  event_base_dispatch(base);
  return 0;
}

static const char *const names[] = {"Echo", "Incomplete", "Unknown"};
static int next;

static void ask(struct evrpc_pool *pool);

static void answered(struct evrpc_status *status, void *request, void *reply, void *pool) {
  struct evbuffer *sent = evbuffer_new(), *got = evbuffer_new();
  letter_marshal(sent, request);
  if (letter_complete(reply) == 0) letter_marshal(got, reply);
  size_t length = evbuffer_get_length(got);
  int same = length == evbuffer_get_length(sent) &&
             memcmp(evbuffer_pullup(sent, -1), evbuffer_pullup(got, -1), length) == 0;
  printf("%s %d %d %d\n", names[next], status->error, (int)length, same);
  letter_free(request);
  letter_free(reply);
  evbuffer_free(sent);
  evbuffer_free(got);
  next++;
  ask(pool);
}

static void ask(struct evrpc_pool *pool) {
  struct letter *request;
  if (next == 3) {
    fflush(stdout);
    exit(0);
  }
  request = letter_new(NULL);
  letter_fill(request);
  evrpc_send_request_generic(pool, request, letter_new(NULL), answered, pool, names[next], letter_marshal, letter_clear,
                             letter_unmarshal);
}

static int call(int port) {
  /* A pool wants connections without a base, which are made for the current one until the pool gives them its own. */
  struct event_base *base = event_init();
  struct evrpc_pool *pool = evrpc_pool_new(base);
  evrpc_pool_add_connection(pool, evhttp_connection_base_new(NULL, NULL, "127.0.0.1", port));
  evrpc_pool_set_timeout(pool, 30);
  ask(pool);
  event_base_dispatch(base);
  return 1;
}

int main(int count, char **arguments) {
  const char *mode = count > 1 ? arguments[1] : "";
  alarm(120);
  if (strcmp(mode, "write") == 0) return write_tags();
  if (strcmp(mode, "read") == 0) return read_tags();
  if (strcmp(mode, "server") == 0) return serve();
  if (strcmp(mode, "client") == 0 && count > 2) return call(atoi(arguments[2]));
  return 64;
}

/*
 * The name server of the resolver bench: answers every question with one A record at once, from memory. The digits in the first label
 * of a name are a number, N, and the address is 10.x.y.z with N in its last three bytes, so that an answer tells what it answers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define HEADER 12
#define EDNS 11
#define ROOM 600

static unsigned char payload[BATCH][ROOM];
static struct sockaddr_in names[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

/* Makes the query in `bytes` its own answer; returns the length of that, or 0 for what is no query. */
static int answer(unsigned char *bytes, int length) {
  static const unsigned char record[12] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
  static const unsigned char edns[EDNS] = {0, 0, 41, 4, 208};
  unsigned number = 0;
  int at = HEADER, has_edns;
  if (length < HEADER + 5 || (bytes[2] & 0x80) || bytes[5] != 1) return 0;
  for (int i = 1; i <= bytes[HEADER] && HEADER + i < length; i++) {
    if (bytes[HEADER + i] >= '0' && bytes[HEADER + i] <= '9') number = number * 10 + bytes[HEADER + i] - '0';
  }
  while (at < length && bytes[at] != 0) at += bytes[at] + 1;
  at += 5;
  if (at > length || at > ROOM - 64) return 0;
  has_edns = bytes[11] != 0;
  bytes[2] = 0x80 | (bytes[2] & 1);
  bytes[3] = 0x80;
  memset(bytes + 6, 0, 6);
  bytes[7] = 1;
  bytes[11] = has_edns;
  memcpy(bytes + at, record, sizeof record);
  at += sizeof record;
  bytes[at++] = 10;
  bytes[at++] = number >> 16;
  bytes[at++] = number >> 8;
  bytes[at++] = number;
  if (!has_edns) return at;
  memcpy(bytes + at, edns, EDNS);
  return at + EDNS;
}

int main(void) {
  struct sockaddr_in here = {.sin_family = AF_INET};
  socklen_t length = sizeof here;
  int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 1000000;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0) return 1;
  getsockname(fd, (struct sockaddr *)&here, &length);
  printf("listening on udp://127.0.0.1:%d\n", ntohs(here.sin_port));
  fflush(stdout);
  for (;;) {
    int count, answers = 0;
    for (int i = 0; i < BATCH; i++) {
      pieces[i] = (struct iovec){payload[i], ROOM};
      messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count; i++) {
      int size = answer(payload[i], messages[i].msg_len);
      if (size == 0) continue;
      messages[i].msg_hdr.msg_iov->iov_len = size;
      messages[answers++].msg_hdr = messages[i].msg_hdr;
    }
    for (int sent = 0; sent < answers;) {
      int result = sendmmsg(fd, messages + sent, answers - sent, 0);
      /* Whoever asked may be gone. */
      sent += result > 0 ? result : 1;
    }
  }
}

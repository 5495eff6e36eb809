/* Asks a server on the loopback interface by glibc's own resolver: PORT NAME TYPE [tcp] */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ns_sprintrr is called deprecated since it knows few new types; those here it knows. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

int main(int argc, char **argv) {
  struct __res_state state;
  memset(&state, 0, sizeof state);
  if (argc < 4 || res_ninit(&state) != 0) return 2;
  state.nscount = 1;
  state.nsaddr_list[0].sin_family = AF_INET;
  state.nsaddr_list[0].sin_port = htons((unsigned short)atoi(argv[1]));
  state.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  state.options |= RES_USE_EDNS0;
  if (argc > 4) state.options |= RES_USEVC;
  state.retry = 5;
  static unsigned char answer[65536];
  int length = res_nquery(&state, argv[2], ns_c_in, atoi(argv[3]), answer, sizeof answer);
  if (length < 0) {
    printf("error %d\n", state.res_h_errno);
    return 0;
  }
  ns_msg message;
  if (ns_initparse(answer, length, &message) != 0) return 3;
  printf("aa %d tc %d\n", ns_msg_getflag(message, ns_f_aa), ns_msg_getflag(message, ns_f_tc));
  for (int index = 0; index < ns_msg_count(message, ns_s_an); index++) {
    ns_rr record;
    static char text[4096];
    if (ns_parserr(&message, ns_s_an, index, &record) != 0) return 4;
    if (ns_sprintrr(&message, &record, NULL, NULL, text, sizeof text) < 0) return 5;
    puts(text);
  }
  res_nclose(&state);
  return 0;
}

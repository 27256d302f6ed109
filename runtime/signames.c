/* signames.c: signals by name. */
#include <signal.h>
#include <string.h>

#include "internal.h"

/* Where two names are of one number, the first is what it is called. */
static const struct {
  const char *name;
  int number;
} names[] = {
    {"SIGINT", SIGINT},       {"SIGTERM", SIGTERM}, {"SIGABRT", SIGABRT},
    {"SIGFPE", SIGFPE},       {"SIGILL", SIGILL},   {"SIGSEGV", SIGSEGV},
#ifdef SIGHUP /* libuv has it, too, on Windows, and the next three */
    {"SIGHUP", SIGHUP},
#endif
#ifdef SIGQUIT
    {"SIGQUIT", SIGQUIT},
#endif
#ifdef SIGKILL
    {"SIGKILL", SIGKILL},
#endif
#ifdef SIGWINCH
    {"SIGWINCH", SIGWINCH},
#endif
#ifndef _WIN32
    {"SIGUSR1", SIGUSR1},     {"SIGUSR2", SIGUSR2}, {"SIGPIPE", SIGPIPE},
    {"SIGALRM", SIGALRM},     {"SIGCHLD", SIGCHLD}, {"SIGCONT", SIGCONT},
    {"SIGSTOP", SIGSTOP},     {"SIGTSTP", SIGTSTP}, {"SIGTTIN", SIGTTIN},
    {"SIGTTOU", SIGTTOU},     {"SIGURG", SIGURG},   {"SIGXCPU", SIGXCPU},
    {"SIGXFSZ", SIGXFSZ},     {"SIGPROF", SIGPROF}, {"SIGVTALRM", SIGVTALRM},
    {"SIGSYS", SIGSYS},       {"SIGBUS", SIGBUS},   {"SIGTRAP", SIGTRAP},
#endif
#ifdef SIGIO
    {"SIGIO", SIGIO},
#endif
#ifdef SIGPWR
    {"SIGPWR", SIGPWR},
#endif
#ifdef SIGSTKFLT
    {"SIGSTKFLT", SIGSTKFLT},
#endif
#ifdef SIGPOLL
    {"SIGPOLL", SIGPOLL},
#endif
#ifdef SIGCLD
    {"SIGCLD", SIGCLD},
#endif
#ifdef SIGIOT
    {"SIGIOT", SIGIOT},
#endif
};

int tideR_signal_number(const char *name) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i].name, name) == 0)
      return names[i].number;
  return 0;
}

const char *tideR_signal_name(int number) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].number == number)
      return names[i].name;
  return NULL;
}

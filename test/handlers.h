/* handlers.h: signals that a handler of the program's own catches. */
#ifndef TIDE_TEST_HANDLERS_H
#define TIDE_TEST_HANDLERS_H

#include "test.h"

static volatile sig_atomic_t caught; /* by the handler that was there before */

static inline void on_before(int signum) {
  (void)signum;
  caught++;
}

static inline void set_handler(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  CHECK_EQ(sigaction(number, &action, NULL), 0);
  caught = 0;
}

static inline bool has_handler(int number, void (*handler)(int)) {
  struct sigaction action;
  CHECK_EQ(sigaction(number, NULL, &action), 0);
  return action.sa_handler == handler;
}

#endif

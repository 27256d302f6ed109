/* listener.h: signals that are waited for; see listener.c. */
#ifndef TIDE_LISTENER_H
#define TIDE_LISTENER_H

#include "handle.h"

#pragma GCC visibility push(hidden)

typedef struct tideR_listener tideR_listener;

/* One that can be caught and means something: not what the kernel keeps, what a
 * fault raises, nor SIGCHLD, which is libuv's. */
bool tideR_signal_is_heard(int number);
/* From now on it has these, which are different ones, in place of what was
 * there before, until it is closed: what it was not asked for then goes there.
 * If it is for one wait it is closed when who waits, or was woken, will not
 * come. */
int tideR_listener_new(tideR_runtime *rt, const int *numbers, unsigned count,
                       bool once, tideR_listener **out);
tideR_handle *tideR_listener_handle(tideR_listener *listener);
/* A task waits, or what came is promised to one. */
bool tideR_listener_busy(const tideR_listener *listener);
/* One has come, or it is closed. */
bool tideR_listener_ready(const tideR_listener *listener);
/* It is the caller's, though a turn may come first: what to forfeit. */
tideR_wait *tideR_listener_promise(tideR_listener *listener);
void tideR_listener_park(tideR_runtime *rt, tideR_task *task,
                         tideR_listener *listener);
/* For who was woken: the one that came first; the same that came since are one
 * with it. 0: it is closed. */
int tideR_listener_see(tideR_listener *listener);
/* That has been seen to. */
void tideR_listener_take(tideR_listener *listener, int number);
/* The number of each, in the order in which they were given; 0: no more. */
int tideR_listener_at(const tideR_listener *listener, unsigned place);

#pragma GCC visibility pop

#endif

/*
 * descriptor.h: waiting for descriptors that are somebody else's.
 *
 *   descriptor.c  who waits for which of them, and is woken by what
 *   watchset.c    how the system is asked on Linux: by a set of our own
 *   watchuv.c     how it is asked elsewhere: by libuv, each for itself
 */
#ifndef TIDE_DESCRIPTOR_H
#define TIDE_DESCRIPTOR_H

#include "handle.h"

/* Elsewhere, and where -DTIDE_WATCHUV asks for it, libuv does without. */
#if defined(__linux__) && !defined(TIDE_WATCHUV)
#define TIDE_WATCHSET
#endif

#pragma GCC visibility push(hidden)

enum { TIDE_READABLE = 1, TIDE_WRITABLE = 2 };

/* Until it is ready for one of these; one task at a time waits for each. 0: the
 * task waits. More: it is ready for that, as a file always is. UV_EBUSY:
 * another task waits. UV_EBADF, UV_ENOMEM, ...: it cannot be waited for. */
int tideR_descriptor_park(tideR_runtime *rt, tideR_task *task, uv_os_sock_t fd,
                          int events);
/* What a task was woken by: what it is ready for; UV_ECANCELED: it was
 * forgotten; UV_EBADF: it was closed, and another has its number. */
int tideR_descriptor_outcome(const tideR_task *task);
/* The wait of a task that need not wait, for that is its outcome. */
tideR_wait *tideR_descriptor_ended(int outcome);
/* It is about to be closed: who waits is woken. */
void tideR_descriptor_forget(tideR_runtime *rt, uv_os_sock_t fd);

/* ---- what the files of it share ---- */

typedef struct tideR_descriptor tideR_descriptor;

struct tideR_descriptor {
  tideR_wait wait;
  tideR_descriptor *next; /* in its bucket */
  uv_os_sock_t fd;
  uint32_t mark;          /* what tells it from others of that number */
  bool listed;            /* the system knows of it, or did */
  tideR_task *waiters[2]; /* for reading, for writing; the same for both */
  struct tideR_watching *watching; /* libuv's; see watchuv.c */
};

typedef struct tideR_descriptors { /* of a runtime, from the first one on */
  tideR_runtime *rt;
  tideR_descriptor **buckets;
  size_t count, room;
  unsigned waiting; /* tasks */
  uint32_t marks;
  uv_poll_t poll; /* of the set: see watchset.c */
  int set;
} tideR_descriptors;

int tideR__descriptor_wanted(const tideR_descriptor *it);
tideR_descriptor *tideR__descriptor_find(const tideR_descriptors *all,
                                         uv_os_sock_t fd);
/* Who waits for that is woken; the system tells no more of it, or has been told
 * not to: what others want of it has to be watched again. */
void tideR__descriptor_fire(tideR_descriptors *all, tideR_descriptor *it,
                            int events);
/* The file that it stood for is gone: wakes all who wait but `but`. */
void tideR__descriptor_lose(tideR_descriptors *all, tideR_descriptor *it,
                            const tideR_task *but);

/* watchset.c, watchuv.c. Open: what all need. Watch: the system is to tell once
 * what is wanted of it; UV_EPERM: it is always ready. Lost: the file that was
 * watched has been closed. Unwatch: nothing is wanted any more. Drop: before
 * its memory goes. Idle: no task waits, or one does. Close frees them. */
int tideR__watch_open(tideR_descriptors *all);
int tideR__watch(tideR_descriptors *all, tideR_descriptor *it,
                 const tideR_task *who);
bool tideR__watch_lost(tideR_descriptors *all, tideR_descriptor *it);
void tideR__unwatch(tideR_descriptors *all, tideR_descriptor *it);
void tideR__watch_drop(tideR_descriptors *all, tideR_descriptor *it);
void tideR__watch_idle(tideR_descriptors *all, bool idle);
void tideR__watch_close(tideR_descriptors *all);

#pragma GCC visibility pop

#endif

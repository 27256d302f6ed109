/*
 * watchdir.h: what changes in a directory, or of a file.
 *
 * Changes of one name are one entry until somebody takes it. More names than
 * the limit are not kept: then all that were are dropped, and that is told.
 */
#ifndef TIDE_WATCHDIR_H
#define TIDE_WATCHDIR_H

#include "handle.h"

#pragma GCC visibility push(hidden)

#define TIDE_WATCH_NAMES 1024 /* of a watch that does not say otherwise */
#define TIDE_WATCH_BUCKETS 64

typedef enum tideR_changekind {
  TIDE_CHANGE_NONE,
  TIDE_CHANGE_CONTENT, /* of what has that name, or of its attributes */
  TIDE_CHANGE_NAME,    /* it is there now, or no more, or is another one */
  TIDE_CHANGE_LOST,    /* what has changed is not known; it has no name */
  TIDE_CHANGE_GONE     /* the watched one itself; no more comes */
} tideR_changekind;

typedef struct tideR_change {
  struct tideR_change *next;   /* in the order in which they are taken */
  struct tideR_change *cousin; /* in the same bucket */
  tideR_changekind kind;
  uint32_t hash;
  size_t length;
  char name[];
} tideR_change;

typedef struct tideR_watched { /* what a path leads to */
  uint64_t device, inode;
  uv_timespec_t born;
  bool is_directory;
} tideR_watched;

typedef struct tideR_watchdir {
  tideR_handle handle;
  uv_fs_event_t uv;
  tideR_waitq waiter; /* at most one */
  bool busy;          /* a task waits, or was woken and is yet to take it */
  bool held;          /* who takes it is making it its own */
  bool lost, gone;    /* is yet to be told */
  int failure;        /* ... nothing comes any more, for that reason */
  int end;            /* has been told */
  size_t limit, count;
  uint64_t dropped; /* names */
  tideR_change *first, **last;
  tideR_change *buckets[TIDE_WATCH_BUCKETS];
  tideR_watched watched;
  size_t base, length; /* of the path: where its last name begins */
  char path[];
} tideR_watchdir;

int tideR_watchdir_new(tideR_runtime *rt, const char *path, size_t limit,
                       tideR_watchdir **out);
/* Whether there is something to take, or nothing will be. */
bool tideR_watchdir_ready(tideR_watchdir *watch);
/* It is the caller's, though a turn may come first: what to forfeit. */
tideR_wait *tideR_watchdir_promise(tideR_watchdir *watch);
void tideR_watchdir_park(tideR_runtime *rt, tideR_task *task,
                         tideR_watchdir *watch);
/* 0 and what comes next, which stays until it is taken; or why nothing will. */
int tideR_watchdir_see(tideR_watchdir *watch, tideR_changekind *kind,
                       const char **name, size_t *length);
void tideR_watchdir_take(tideR_watchdir *watch);

#pragma GCC visibility pop

#endif

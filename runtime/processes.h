/*
 * processes.h: children. (Windows has a header of the other name.)
 *
 *   process.c   a child's life: how it is seen to end, and what ends it
 *   spawn.c     how it begins, and what its stdin, stdout and stderr are
 *   pgroup.c    whether any process of a group still runs
 *   signames.c  signals by name
 */
#ifndef TIDE_PROCESSES_H
#define TIDE_PROCESSES_H

#include "handle.h"

#pragma GCC visibility push(hidden)

typedef struct tideR_process {
  tideR_handle handle;
  uv_process_t uv; /* libuv's; but on Windows it only makes the child */
  union {
    uv_handle_t any;
    uv_poll_t poll;
    uv_timer_t timer;
  } watch; /* of its end */
  int pid, pidfd;
  bool detached;   /* it leads a session and a group of its own */
  bool is_watched; /* `watch` is open */
  bool ended;
  bool reaped; /* its number may be another's, except as a group that is left */
  bool is_gone;        /* ... and the group is not */
  bool is_lost;        /* somebody else has reaped it: who knows how it ended */
  int code, signal;    /* how it did; signal 0: by itself */
  tideR_waitq waiters; /* for its end */
  tideR_signal interrupt;         /* is passed on to its group */
  struct tideR_process *next_due; /* of those killed that have yet to end */
} tideR_process;

typedef struct tideR_stdio { /* what the child has for one of these */
  enum {
    TIDE_STDIO_NULL,
    TIDE_STDIO_INHERIT,
    TIDE_STDIO_PIPE,
    TIDE_STDIO_PATH, /* of a file, which is emptied if it is written to */
    TIDE_STDIO_FD,
    TIDE_STDIO_STDOUT /* stderr only: where stdout goes */
  } kind;
  int fd;
  const char *path;
} tideR_stdio;

typedef struct tideR_spawning {
  char **args; /* with the command; NULL at the end */
  char **env;  /* "NAME=value"; NULL: as here */
  const char *cwd;
  bool detached;
  bool passes_interrupt; /* an interrupt of this process, to its group */
  bool has_uid, has_gid;
  uv_uid_t uid;
  uv_gid_t gid;
  tideR_stdio stdio[3];
} tideR_spawning;

/* With a wire for each pipe, the others NULL. *culprit: what could not be
 * opened, entered or run, or NULL. */
int tideR_process_spawn(tideR_runtime *rt, const tideR_spawning *how,
                        tideR_process **out, tideR_wire *wires[3],
                        const char **culprit);
/* Whether it has ended by now. */
bool tideR_process_ended(tideR_process *process);
void tideR_processes_close(tideR_runtime *rt);
void tideR_process_park(tideR_runtime *rt, tideR_task *task,
                        tideR_process *process);
/* UV_ESRCH: it has ended. */
int tideR_process_kill(tideR_process *process, int signal);
/* To its group, if that is its own, also after it has ended itself. */
int tideR_process_kill_all(tideR_process *process, int signal);
/* Whether it runs, or others of its own group do. */
bool tideR_process_is_left(tideR_process *process);

/* pgroup.c */
bool tideR__group_runs(int group);
/* process.c, for spawn.c: in memory that is zero; libuv has made the child */
void tideR__process_init(tideR_runtime *rt, tideR_process *process);
void tideR__process_begin(tideR_process *process, bool passes_interrupt);
void tideR__process_told(tideR_process *process, int code, int signal);
/* The last owner but the user: libuv's, of a handle that has closed. */
void tideR__process_close_uv(tideR_process *process);

#pragma GCC visibility pop

#endif

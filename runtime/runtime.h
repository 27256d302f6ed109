/*
 * runtime.h: what the bindings and the C tests may use of the runtime; what
 * tasks wait for is in sync.h.
 *
 * The runtime schedules tasks over libuv and knows no Lua: a task is a record
 * with an opaque `coro`, and two hooks, resume and call, run user code.
 *
 * General layout
 *   runtime.c  its birth and death, and what it counts
 *   loop.c   the ready queue, the turn, step and run
 *   announce.c  what a host that drives the loop knows: when a step is due
 *   borrowed.c  turns inside a host's own libuv loop
 *   task.c   task records: spawn, park, wake, cancel, finish
 *   young.c  the tasks spawned since a run began
 *   join.c   waiting for the end of a task or future
 *   gather.c waiting for several ends at once
 *   group.c  tasks whose ends their group waits for
 *   timer.c  the deadline heap
 *   clock.c  what time it is: the machine's, a host's, or virtual
 *   scope.c  cancel scopes: who is cancelled, and by what
 *   waitq.c  FIFO queues of parked tasks; on it, one noun a file:
 *            semaphore.c event.c lock.c condition.c barrier.c queue.c
 *   remote.c  posts from any thread, through remotes
 *   work.c   work in libuv's thread pool
 *   waker.c  promises of a wake from outside
 *   call.c   callbacks that run from the loop (call_soon, call_later)
 *   watch.c  debugging: what happens, and what tasks wait for
 *   probe.c  testing: cancels a task at its nth await
 *   shuffle.c  testing: another order of the ready tasks
 *   pool.c   slabs: records whose memory stays theirs until the runtime ends
 *   descriptor.c  tasks that wait for descriptors of others
 *   signal.c interrupt.c  signals, taken and given back; SIGINT as a cancel
 *   signames.c  signals by name, and what a number is called
 *
 * Functions that can fail return 0 or a negative libuv code. None but those of
 * remotes may be called from another thread than the runtime's.
 */
#ifndef TIDE_RUNTIME_H
#define TIDE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Our functions are no symbols of the module, however it is compiled: LuaRocks
 * asks for no visibility. So files call each other directly. */
#pragma GCC visibility push(hidden)

typedef struct tideR_runtime tideR_runtime;
typedef struct tideR_task tideR_task;
typedef struct tideR_scope tideR_scope;
typedef struct tideR_call tideR_call;
typedef struct tideR_wait tideR_wait;
typedef struct tideR_waitq tideR_waitq;
typedef struct tideR_join tideR_join;
typedef struct tideR_gather tideR_gather;
typedef struct tideR_link tideR_link;
typedef struct tideR_group tideR_group;
typedef struct tideR_lock tideR_lock;
typedef struct tideR_condition tideR_condition;
typedef struct tideR_remote tideR_remote;

#define TIDE_NEVER UINT64_MAX /* a deadline that does not come */

/* How a suspension ended. */
typedef enum tideR_status {
  TIDE_WOKEN = 0,  /* what it waited for happened */
  TIDE_CANCELLED,  /* it left its wait because a scope was cancelled */
  TIDE_REFUSED,    /* what it waited for will not come */
  TIDE_DEADLOCKED, /* nothing could ever have woken it */
  TIDE_ABANDONED   /* it is given up: it will not run again */
} tideR_status;

/* How a task or future ended. */
typedef enum tideR_end {
  TIDE_END_OK = 0,
  TIDE_END_FAILED,
  TIDE_END_CANCELLED
} tideR_end;

typedef enum tideR_report {
  TIDE_REPORT_SWALLOWED, /* it catches cancellations and goes on */
  TIDE_REPORT_ABANDONED  /* ... and was given up */
} tideR_report;

struct tide_runtime; /* what the user calls a runtime: unknown here */

/* What was posted: to be called in the runtime's thread, with that, or with
 * NULL when the runtime ends. */
typedef struct tideR_post {
  struct tideR_post *next; /* the runtime's own */
  void (*fn)(struct tide_runtime *rt, void *arg);
  void *arg;
} tideR_post;

/* What the runtime asks of its user. resume, call and post may longjmp out (an
 * out-of-memory error of Lua, say); tideR_recover then makes the runtime usable
 * again. The others must return. resume may be NULL for who uses
 * tideR_loop_next, post for who makes no remote. */
typedef struct tideR_hooks {
  void (*resume)(tideR_runtime *rt, tideR_task *task); /* run until it parks */
  void (*abandon)(tideR_runtime *rt,
                  tideR_task *task); /* it will not run again */
  void (*call)(tideR_runtime *rt, tideR_call *call);
  void (*report)(tideR_runtime *rt, tideR_task *task, tideR_report what);
  /* On a host's loop, inside its uv_run, when there is something to run: makes
   * a step, by tideR_loop_begin_step and so on. Afterwards it may free the
   * runtime. */
  void (*turn)(tideR_runtime *rt);
  /* Calls its fn. False: it could not begin to, it is tried again. */
  bool (*post)(tideR_runtime *rt, const tideR_post *post);
} tideR_hooks;

typedef struct tideR_stats {
  uint64_t tasks;    /* unfinished */
  uint64_t ready;    /* of these, waiting for their turn */
  uint64_t sleeping; /* of these, with a timer of their own */
  uint64_t timers;   /* all timers: sleeps, deadlines, delayed calls */
  uint64_t handles;  /* what is open, and others that keep the loop alive */
  uint64_t switches; /* resumes so far */
  uint64_t turns;
  uint64_t spawned;
  uint64_t polls;
  uint64_t wakers;    /* outstanding promises of a wake from outside */
  uint64_t swallowed; /* cancellations that a task caught and met again */
} tideR_stats;

/* ---- the runtime (runtime.c, loop.c) ---- */

/* `loop` is a host's, which runs it and outlives the runtime; NULL: our own. */
int tideR_runtime_new(tideR_runtime **out, const tideR_hooks *hooks, void *data,
                      uv_loop_t *loop);
/* Frees everything, unfinished tasks too, without running them; then calls
 * freed(ud), which may be NULL. On a host's loop that is in one of its next
 * iterations, and until then nothing is called. Not inside of a step. */
void tideR_runtime_free(tideR_runtime *rt, void (*freed)(void *ud), void *ud);
void *tideR_runtime_data(tideR_runtime *rt);
uv_loop_t *tideR_runtime_uv(tideR_runtime *rt);
void tideR_runtime_stats(tideR_runtime *rt, tideR_stats *out);

/* On a host's loop tideR_loop_step, _run and _begin are UV_ENOTSUP: turns are
 * hooks->turn's. */
bool tideR_loop_is_borrowed(const tideR_runtime *rt);
/* Turns until nothing is ready or `budget` seconds are spent (<= 0: one turn),
 * then polls once without blocking. 1: work is ready, 0: waiting, UV_EBUSY
 * inside a step. */
int tideR_loop_step(tideR_runtime *rt, double budget);
/* Turns and blocking polls until tideR_loop_stop, or until nothing can happen
 * any more: then the waiting main or root task is woken TIDE_DEADLOCKED; with
 * neither, 0 is returned. */
int tideR_loop_run(tideR_runtime *rt);
/* The same taken apart, for who resumes tasks in a loop of their own: begin,
 * then next until it is NULL, running each task until it parks or ends, then
 * end. next does all the rest: callbacks, timers, polling. After a longjmp:
 * tideR_recover, and begin again. */
int tideR_loop_begin(tideR_runtime *rt);
int tideR_loop_begin_step(tideR_runtime *rt, double budget);
/* True: nothing was there to run, and the step, a poll, has been made. Calls no
 * hook. */
bool tideR_loop_step_is_poll(tideR_runtime *rt);
tideR_task *tideR_loop_next(tideR_runtime *rt);
/* If that would be this task, with nothing to do before, takes it. */
bool tideR_loop_take(tideR_runtime *rt, tideR_task *task);
/* The task that next gave has parked or ended. next does it, too; first of all
 * for who runs more user code before that. */
void tideR_loop_left(tideR_runtime *rt);
void tideR_loop_end(tideR_runtime *rt);
bool tideR_loop_ready(const tideR_runtime *rt); /* work is ready */
void tideR_loop_stop(tideR_runtime *rt);
/* What runs now is the last of all: then the step or run ends, and the runtime
 * is to be freed. */
void tideR_loop_leave(tideR_runtime *rt);
/* Asks tideR_loop_run to stop `seconds` from now; < 0 takes that back. Never
 * fails. */
int tideR_loop_stop_after(tideR_runtime *rt, double seconds);
/* While on, tideR_loop_run also stops when all tasks that are young now have
 * ended. Returns the greatest id of these. */
uint64_t tideR_loop_drain(tideR_runtime *rt, bool on);
bool tideR_loop_running(const tideR_runtime *rt);
/* After a hook was left by longjmp; returns the task that was running. */
tideR_task *tideR_recover(tideR_runtime *rt);
/* Shuffles each generation of ready tasks, the same each time; 0: FIFO. */
void tideR_loop_seed(tideR_runtime *rt, uint64_t seed);
void tideR_loop_main(tideR_runtime *rt, tideR_task *main);
tideR_task *tideR_loop_mainof(const tideR_runtime *rt); /* NULL: none */
/* The child of a fork shares its parent's descriptors: true there. */
bool tideR_loop_forked(const tideR_runtime *rt);

/* ---- promises (waker.c) ---- */

/* Somebody outside will wake a task: counts against deadlock. */
void tideR_waker_add(tideR_runtime *rt);
void tideR_waker_drop(tideR_runtime *rt);

/* ---- when a step is due (announce.c) ---- */

/* Something can still happen: of a host's loop only what is ours counts. */
bool tideR_loop_alive(const tideR_runtime *rt);
/* Seconds until a step is due: 0 now, INFINITY only by a descriptor or post,
 * negative: it is not alive. */
double tideR_loop_timeout(tideR_runtime *rt);
int tideR_loop_fd(const tideR_runtime *rt);
/* From now on told(rt) is called when, outside of a step or run, something
 * becomes due, or is to be due earlier than all before: once, then again only
 * after a step, or after tideR_loop_timeout has told the new time. It may do
 * nothing with rt. NULL: the descriptor becomes readable. A host's loop always
 * goes on by itself. */
void tideR_loop_announce(tideR_runtime *rt, void (*told)(tideR_runtime *rt));

/* ---- young tasks (young.c) ---- */

/* Between the two only the tasks spawned since are young: how run knows what is
 * left. Else all are. */
void tideR_young_begin(tideR_runtime *rt);
void tideR_young_end(tideR_runtime *rt);
uint32_t tideR_young_count(const tideR_runtime *rt);
bool tideR_task_is_young(const tideR_runtime *rt, const tideR_task *task);
/* The next young one that has not ended, of those with a greater id; *slot is 0
 * at first. NULL: no more. */
tideR_task *tideR_young_next(const tideR_runtime *rt, uint64_t id,
                             uint32_t *slot);

/* ---- tasks (task.c) ---- */

enum {
  TIDE_TASK_FREE, /* the record waits to be used again */
  TIDE_TASK_READY,
  TIDE_TASK_RUNNING,
  TIDE_TASK_PARKED
};

/* Flags of a task. The first three make an awaiting call take its slow path. */
enum {
  TIDE_CANCEL = 1 << 0, /* some unshielded scope around it is cancelled */
  TIDE_TIMED = 1 << 1,  /* some scope around it has a deadline */
  TIDE_PROBED = 1 << 2, /* its awaits are counted (testing) */
  TIDE_TROUBLE = TIDE_CANCEL | TIDE_TIMED | TIDE_PROBED,
  TIDE_FRESH = 1 << 3,      /* has not run yet */
  TIDE_ROOT = 1 << 4,       /* the main program: parks by driving the loop */
  TIDE_ABORTED = 1 << 5,    /* this suspension's abort has been called */
  TIDE_LEAVING = 1 << 6,    /* cancelled; stays for another's end, or lock */
  TIDE_SELFCANCEL = 1 << 7, /* cancelled itself, not delivered yet */
  TIDE_GIVENUP = 1 << 8,    /* to be abandoned at its next turn */
  TIDE_SWALLOWER = 1 << 9,  /* has been reported for swallowing */
  TIDE_USER1 = 1 << 10,     /* the bindings' own */
  TIDE_USER2 = 1 << 11,
  TIDE_USER3 = 1 << 12,
  TIDE_USER4 = 1 << 13,
  TIDE_USER5 = 1 << 14,
  TIDE_WATCHED = 1 << 15 /* see tideR_watch */
};

/* The heap's view of what has a deadline; part of a task, scope or call. */
typedef struct tideR_timer {
  uint32_t index;      /* place in the heap + 1; 0 when not in it */
  uint32_t kind : 2;   /* which struct it is part of */
  uint32_t order : 30; /* ties fire in the order set */
} tideR_timer;

/* A task record: 64 bytes, everything rare is elsewhere. Read freely; write
 * only `coro` and the TIDE_USER flags. */
struct tideR_task {
  tideR_task *next; /* in the ready queue, or in the queue it waits in */
  union {
    tideR_task *prev;  /* in that; or whom it awaits: see join.c */
    tideR_timer timer; /* in the heap: then it is in no queue */
  };
  void *coro;         /* the bindings': the coroutine that runs now */
  tideR_wait *wait;   /* what it waits for, or last waited for */
  tideR_scope *scope; /* innermost open scope; NULL: none */
  uintptr_t ends;     /* who waits for its end: see internal.h */
  uint64_t id;        /* of the task, increasing; names are made from it */
  uint32_t slot;      /* stable index of this record, from 1 */
  uint16_t flags;
  uint8_t state;
  uint8_t status; /* tideR_status of the last suspension */
};

/* What a task can wait for. An object to wait on begins with a tideR_wait. */
typedef struct tideR_waitkind {
  const char *what; /* for the task tree: "sleep" */
  /* Takes the task out of its wait; true: done, the caller wakes it. False: it
   * cannot be aborted, its wake will come; only TIDE_CANCELLED may be refused.
   * Called at most once a suspension with TIDE_CANCELLED. Runs no user code. */
  bool (*abort)(tideR_runtime *rt, tideR_task *task, tideR_status why);
  /* The task died after it was woken: what it was granted passes on. */
  void (*forfeit)(tideR_runtime *rt, tideR_task *task);
} tideR_waitkind;
struct tideR_wait {
  const tideR_waitkind *kind;
};

/* NULL when out of memory. A recycled record keeps its slot and `coro`. */
tideR_task *tideR_task_new(tideR_runtime *rt);
void tideR_task_start(tideR_runtime *rt,
                      tideR_task *task); /* FRESH, at the end */
void tideR_task_discard(tideR_runtime *rt,
                        tideR_task *task);      /* never started */
tideR_task *tideR_task_root(tideR_runtime *rt); /* made at first use; or NULL */
tideR_task *tideR_task_current(const tideR_runtime *rt);
tideR_task *tideR_task_at(const tideR_runtime *rt, uint32_t slot);
uint32_t tideR_task_slots(const tideR_runtime *rt); /* slots are 1..this */
bool tideR_task_alive(const tideR_task *task);
/* Wakes who awaits it, frees the record (its `coro` stays in it). */
void tideR_task_finish(tideR_runtime *rt, tideR_task *task, tideR_end how);
/* asyncio's cancel: counts, and cancels the task's own scope. UV_ENOMEM. */
int tideR_task_cancel(tideR_runtime *rt, tideR_task *task);
/* The running task has just parked, and may have been cancelled between its
 * checkpoint and that: then its wait learns of it. It may run on: see `state`.
 */
void tideR_task_notice(tideR_runtime *rt, tideR_task *task);
uint32_t tideR_task_cancelling(const tideR_task *task);
uint32_t tideR_task_uncancel(tideR_runtime *rt, tideR_task *task);
/* The scope that Task:cancel cancels; NULL when it has none yet. */
tideR_scope *tideR_task_own_scope(const tideR_task *task);

/* Parks the running task on `wait`. */
void tideR_park(tideR_runtime *rt, tideR_task *task, tideR_wait *wait);
/* Ends the suspension; no-op on one that is not parked. */
void tideR_wake(tideR_runtime *rt, tideR_task *task, tideR_status status);
/* Takes a park back: the task runs on. */
void tideR_unpark(tideR_runtime *rt, tideR_task *task);
/* To the end of the ready queue: exactly one turn. */
void tideR_park_turn(tideR_runtime *rt, tideR_task *task);
/* The same, unless it is the only one that is ready and nothing else is to be
 * done before it runs again: then true, it is not parked, and its next turn has
 * begun. */
bool tideR_next_turn(tideR_runtime *rt, tideR_task *task);
/* Until the host's next step; in tideR_loop_run until the next turn. */
void tideR_park_tick(tideR_runtime *rt, tideR_task *task);
/* Until `when` on the runtime's clock; TIDE_NEVER: for ever. */
int tideR_park_until(tideR_runtime *rt, tideR_task *task, uint64_t when);
/* Until every other task is blocked. */
void tideR_park_idle(tideR_runtime *rt, tideR_task *task);
const tideR_task *tideR_task_awaits(const tideR_task *task); /* which task */
bool tideR_task_awaits_future(const tideR_task *task);
/* Somebody will be told how it ends: who awaits it, also with others. */
bool tideR_task_is_awaited(const tideR_task *task);

/* True: it waits on only for what it cancelled, or for its group. */
bool tideR_task_stays(const tideR_task *task);

/* The id of the scope whose cancellation a raise in the task is; 0: unknown,
 * it has been lifted. */
uint64_t tideR_task_culprit(tideR_runtime *rt, const tideR_task *task);
/* True if the next tideR_task_new gives a record that has a `coro`. */
bool tideR_task_pooled(const tideR_runtime *rt);
/* Takes the `coro` of that record, whose slot is told; NULL: there is none. */
void *tideR_task_strip(tideR_runtime *rt, uint32_t *slot);
/* At the start of every awaiting call, when task->flags & TIDE_TROUBLE: fires
 * what is due; true if the call has to raise a cancellation instead. */
bool tideR_checkpoint(tideR_runtime *rt, tideR_task *task);
/* Gives up the turn before a cancellation is raised; costs more and more. */
void tideR_park_raise(tideR_runtime *rt, tideR_task *task);
/* Gives a task up; bindings learn of it through hooks->abandon. */
void tideR_task_give_up(tideR_runtime *rt, tideR_task *task);
/* A cancellation is raised in it: was the last one of the same scope, it has
 * caught that, which is counted. */
void tideR_task_raises(tideR_runtime *rt, tideR_task *task);
uint32_t tideR_task_swallowed(const tideR_task *task);
/* Limits after which a task that swallows its own cancel is given up. */
void tideR_swallow_limits(tideR_runtime *rt, uint32_t times, double seconds);

/* Testing: cancel `task` at its nth await from now, n from 1: at its entry, as
 * soon as it is parked, or when it is woken. False from hit: not reached. */
typedef enum tideR_probe_at {
  TIDE_PROBE_ENTER = 1,
  TIDE_PROBE_PARKED,
  TIDE_PROBE_WOKEN
} tideR_probe_at;
void tideR_probe(tideR_runtime *rt, tideR_task *task, uint32_t nth,
                 tideR_probe_at at);
bool tideR_probe_hit(const tideR_runtime *rt);

/* ---- the clock (clock.c) ---- */

uint64_t tideR_now(tideR_runtime *rt); /* nanoseconds */
/* now + seconds, rounded up; the past and negative seconds are now. */
uint64_t tideR_deadline(tideR_runtime *rt, double seconds);
/* A point on the clock in seconds, as time() tells it, in nanoseconds. */
uint64_t tideR_instant(double seconds);
/* Virtual: time stands still while a task can run, else jumps to the next
 * deadline. Neither switch makes time go back. */
void tideR_clock_virtual(tideR_runtime *rt, bool on);
/* For tests: moves virtual time on, wakes nobody. */
void tideR_clock_advance(tideR_runtime *rt, double seconds);
/* A host's clock, in seconds; where it goes back, ours stands. A runtime that
 * has not made a turn yet takes over its time, too, others go on from theirs.
 * NULL: the monotonic clock again. Ignored while time is virtual. */
void tideR_clock_source(tideR_runtime *rt, double (*now)(void *ud), void *ud);
/* How fast it goes from now on: 1 as it does, 0 not at all. UV_EINVAL. */
int tideR_clock_speed(tideR_runtime *rt, double speed);

/* ---- scopes (scope.c) ---- */

enum {
  TIDE_SCOPE_SHIELD = 1 << 0,
  TIDE_SCOPE_CANCEL = 1 << 1,  /* cancel was called, or its deadline passed */
  TIDE_SCOPE_EXPIRED = 1 << 2, /* ... by its deadline */
  TIDE_SCOPE_CAUGHT = 1 << 3,  /* its cancellation was consumed at its edge */
  TIDE_SCOPE_INSIDE = 1 << 4,  /* computed: checkpoints inside raise */
  TIDE_SCOPE_TIMED = 1 << 5,   /* computed: it or one around has a deadline */
  TIDE_SCOPE_OWN = 1 << 6,     /* the task's own, that Task:cancel cancels */
  TIDE_SCOPE_OBJECT = 1 << 7,  /* the bindings': it has an object */
  TIDE_SCOPE_REASON = 1 << 8   /* ... its cancel has a reason */
};

struct tideR_scope {
  tideR_scope *parent; /* around it; NULL: outermost, or detached */
  tideR_scope *inner;  /* inside it, in the same chain */
  tideR_task *task;    /* whose chain it is in; NULL: detached */
  uint64_t deadline;
  uint64_t id; /* never used again: how an error knows its scope */
  tideR_timer timer;
  tideR_scope *culprit; /* see tideR_scope_culprit */
  uint64_t known;       /* ... right if it is the runtime's `culprits` */
  tideR_group *group;   /* whose tasks run inside it, or NULL */
  uint32_t slot;
  uint16_t flags;
};

/* Opens a scope inside the task's innermost one. UV_ENOMEM. */
int tideR_scope_enter(tideR_runtime *rt, tideR_task *task, uint64_t deadline,
                      bool shield, tideR_scope **out);
/* Closes the innermost scope of the task and frees it. */
void tideR_scope_leave(tideR_runtime *rt, tideR_task *task);
void tideR_scope_cancel(tideR_runtime *rt, tideR_scope *scope);
void tideR_scope_shield(tideR_runtime *rt, tideR_scope *scope, bool on);
int tideR_scope_reschedule(tideR_runtime *rt, tideR_scope *scope,
                           uint64_t when);
/* The one around it that its task has open, too; NULL: there is none. */
tideR_scope *tideR_scope_outer(const tideR_scope *scope);
/* The innermost scope whose cancellation a checkpoint in `scope` would raise;
 * NULL: none. */
tideR_scope *tideR_scope_culprit(tideR_runtime *rt, tideR_scope *scope);
/* A coroutine of its own that has scopes open takes them along: those inside
 * `base` leave the task's chain as one, and later hang on another. */
tideR_scope *tideR_scope_detach(tideR_runtime *rt, tideR_task *task,
                                tideR_scope *base);
void tideR_scope_attach(tideR_runtime *rt, tideR_task *task, tideR_scope *top);
void tideR_scope_discard(tideR_runtime *rt, tideR_scope *top); /* detached */

/* ---- looking on (watch.c) ---- */

/* Is told what happens. Its functions must return, and change nothing. */
typedef struct tideR_watcher {
  /* By the task that runs, or else the loop. */
  void (*woken)(tideR_runtime *rt, tideR_task *task);
  /* A scope around it was. */
  void (*cancelled)(tideR_runtime *rt, tideR_task *task);
  /* libuv is asked now, and was asked then. */
  void (*poll)(tideR_runtime *rt, bool begins, bool blocking);
} tideR_watcher;
/* From now on, of all that have TIDE_WATCHED; NULL: no more. Those that are
 * there get it, others by tideR_watch_task. Meanwhile no task runs but by
 * tideR_loop_next. */
void tideR_watch(tideR_runtime *rt, const tideR_watcher *watcher);
void tideR_watch_task(tideR_task *task);
const char *tideR_task_waits_for(const tideR_task *task); /* NULL: nothing */
/* When a sleep ends; TIDE_NEVER also: it does not sleep. */
uint64_t tideR_task_sleeps_until(const tideR_runtime *rt,
                                 const tideR_task *task);
/* The owner of the lock that it waits for; NULL: it waits for none. */
tideR_task *tideR_task_lock_owner(const tideR_task *task);

/* ---- callbacks (call.c) ---- */

struct tideR_call {
  tideR_call *next;
  tideR_timer timer;
  uint32_t slot;   /* stable index of this record, from 1 */
  uint32_t serial; /* with the slot: which use of the record it is */
  uint8_t state;
};
enum { TIDE_CALL_FREE, TIDE_CALL_TIMED, TIDE_CALL_QUEUED, TIDE_CALL_CANCELLED };

/* Runs hooks->call from the loop: in the next turn, or when due. */
int tideR_call_soon(tideR_runtime *rt, tideR_call **out);
int tideR_call_at(tideR_runtime *rt, uint64_t when, tideR_call **out);
/* One of slot 0, once, for what the bindings have to do. Never fails. */
void tideR_call_chores(tideR_runtime *rt);
void tideR_call_cancel(tideR_runtime *rt, tideR_call *call);
tideR_call *tideR_call_in(const tideR_runtime *rt, uint32_t slot);
uint32_t tideR_call_slots(const tideR_runtime *rt); /* slots are 1..this */
/* TIDE_NEVER: in the next turn, or never. */
uint64_t tideR_call_when(const tideR_runtime *rt, const tideR_call *call);
tideR_call *tideR_call_find(const tideR_runtime *rt, uint32_t slot,
                            uint32_t serial);

#pragma GCC visibility pop

#endif

/*
 * runtime.h: what the bindings and the C tests may use of the runtime; what
 * tasks wait for is in sync.h.
 *
 * The runtime schedules tasks over libuv and knows no Lua: a task is a record
 * with an opaque `coro`, and two hooks, resume and call, run user code.
 *
 * General layout
 *   loop.c   the runtime: ready queue, the turn, polling, step and run
 *   task.c   task records: spawn, park, wake, cancel, finish
 *   young.c  the tasks spawned since a run began
 *   join.c   waiting for the end of a task or future
 *   gather.c waiting for several ends at once
 *   group.c  tasks whose ends their group waits for
 *   timer.c  the deadline heap and the clocks
 *   scope.c  cancel scopes: who is cancelled, and by what
 *   waitq.c  FIFO queues of parked tasks; on it, one noun a file:
 *            semaphore.c event.c lock.c condition.c barrier.c queue.c
 *   call.c   callbacks that run from the loop (call_soon, call_later)
 *   watch.c  debugging: what happens, and what tasks wait for
 *   probe.c  testing: cancels a task at its nth await
 *   shuffle.c  testing: another order of the ready tasks
 *   pool.c   slabs: records whose memory stays theirs until the runtime ends
 *   input.c  a terminal, pipe or file, read as it comes
 *   signal.c interrupt.c  signals, taken and given back; SIGINT as a cancel
 *
 * Functions that can fail return 0 or a negative libuv code. None may be
 * called from another thread than the runtime's.
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

typedef struct tide_runtime tide_runtime;
typedef struct tide_task tide_task;
typedef struct tide_scope tide_scope;
typedef struct tide_call tide_call;
typedef struct tide_wait tide_wait;
typedef struct tide_waitq tide_waitq;
typedef struct tide_join tide_join;
typedef struct tide_gather tide_gather;
typedef struct tide_link tide_link;
typedef struct tide_group tide_group;
typedef struct tide_lock tide_lock;
typedef struct tide_condition tide_condition;

#define TIDE_NEVER UINT64_MAX /* a deadline that does not come */

/* How a suspension ended. */
typedef enum tide_status {
  TIDE_WOKEN = 0,  /* what it waited for happened */
  TIDE_CANCELLED,  /* it left its wait because a scope was cancelled */
  TIDE_REFUSED,    /* what it waited for will not come */
  TIDE_DEADLOCKED, /* nothing could ever have woken it */
  TIDE_ABANDONED   /* it is given up: it will not run again */
} tide_status;

/* How a task or future ended. */
typedef enum tide_end {
  TIDE_END_OK = 0,
  TIDE_END_FAILED,
  TIDE_END_CANCELLED
} tide_end;

typedef enum tide_report {
  TIDE_REPORT_SWALLOWED, /* it catches cancellations and goes on */
  TIDE_REPORT_ABANDONED  /* ... and was given up */
} tide_report;

/* What the runtime asks of its user. resume and call may longjmp out (an
 * out-of-memory error of Lua, say); tide_recover then makes the runtime usable
 * again. The others must return. resume may be NULL for who uses
 * tide_loop_next. */
typedef struct tide_hooks {
  void (*resume)(tide_runtime *rt, tide_task *task); /* run until it parks */
  void (*abandon)(tide_runtime *rt,
                  tide_task *task); /* it will not run again */
  void (*call)(tide_runtime *rt, tide_call *call);
  void (*report)(tide_runtime *rt, tide_task *task, tide_report what);
} tide_hooks;

typedef struct tide_stats {
  uint64_t tasks;    /* unfinished */
  uint64_t ready;    /* of these, waiting for their turn */
  uint64_t sleeping; /* of these, with a timer of their own */
  uint64_t timers;   /* all timers: sleeps, deadlines, delayed calls */
  uint64_t handles;  /* libuv handles that keep the loop alive */
  uint64_t switches; /* resumes so far */
  uint64_t turns;
  uint64_t spawned;
  uint64_t polls;
  uint64_t wakers;    /* outstanding promises of a wake from outside */
  uint64_t swallowed; /* cancellations that a task caught and met again */
} tide_stats;

/* ---- the runtime (loop.c) ---- */

int tide_runtime_new(tide_runtime **out, const tide_hooks *hooks, void *data);
/* Frees everything, unfinished tasks too, without running them. */
void tide_runtime_free(tide_runtime *rt);
void *tide_runtime_data(tide_runtime *rt);
uv_loop_t *tide_runtime_uv(tide_runtime *rt);
void tide_runtime_stats(tide_runtime *rt, tide_stats *out);

/* Turns until nothing is ready or `budget` seconds are spent (<= 0: one turn),
 * then polls once without blocking. 1: work is ready, 0: waiting, UV_EBUSY
 * inside a step. */
int tide_loop_step(tide_runtime *rt, double budget);
/* Turns and blocking polls until tide_loop_stop, or until nothing can happen
 * any more: then the waiting main or root task is woken TIDE_DEADLOCKED; with
 * neither, 0 is returned. */
int tide_loop_run(tide_runtime *rt);
/* The same taken apart, for who resumes tasks in a loop of their own: begin,
 * then next until it is NULL, running each task until it parks or ends, then
 * end. next does all the rest: callbacks, timers, polling. After a longjmp:
 * tide_recover, and begin again. */
int tide_loop_begin(tide_runtime *rt);
int tide_loop_begin_step(tide_runtime *rt, double budget);
/* True: nothing was there to run, and the step, a poll, has been made. Calls no
 * hook. */
bool tide_loop_step_is_poll(tide_runtime *rt);
tide_task *tide_loop_next(tide_runtime *rt);
/* If that would be this task, with nothing to do before, takes it. */
bool tide_loop_take(tide_runtime *rt, tide_task *task);
/* The task that next gave has parked or ended. next does it, too; first of all
 * for who runs more user code before that. */
void tide_loop_left(tide_runtime *rt);
void tide_loop_end(tide_runtime *rt);
bool tide_loop_ready(const tide_runtime *rt); /* work is ready */
void tide_loop_stop(tide_runtime *rt);
/* Asks tide_loop_run to stop `seconds` from now; < 0 takes that back. */
int tide_loop_stop_after(tide_runtime *rt, double seconds);
/* While on, tide_loop_run also stops when all tasks that are young now have
 * ended. Returns the greatest id of these. */
uint64_t tide_loop_drain(tide_runtime *rt, bool on);
bool tide_loop_running(const tide_runtime *rt);
bool tide_loop_alive(const tide_runtime *rt);
/* Seconds until a step is due: 0 now, INFINITY only by a descriptor or post. */
double tide_loop_timeout(tide_runtime *rt);
int tide_loop_fd(const tide_runtime *rt);
/* After a hook was left by longjmp; returns the task that was running. */
tide_task *tide_recover(tide_runtime *rt);
/* A promise that somebody outside will wake a task: counts against deadlock. */
void tide_waker_add(tide_runtime *rt);
void tide_waker_drop(tide_runtime *rt);
/* Shuffles each generation of ready tasks, the same each time; 0: FIFO. */
void tide_loop_seed(tide_runtime *rt, uint64_t seed);
void tide_loop_main(tide_runtime *rt, tide_task *main);
tide_task *tide_loop_mainof(const tide_runtime *rt); /* NULL: none */
/* The child of a fork shares its parent's descriptors: true there. */
bool tide_loop_forked(const tide_runtime *rt);

/* ---- young tasks (young.c) ---- */

/* Between the two only the tasks spawned since are young: how run knows what is
 * left. Else all are. */
void tide_young_begin(tide_runtime *rt);
void tide_young_end(tide_runtime *rt);
uint32_t tide_young_count(const tide_runtime *rt);
bool tide_task_is_young(const tide_runtime *rt, const tide_task *task);
/* The next young one that has not ended, of those with a greater id; *slot is 0
 * at first. NULL: no more. */
tide_task *tide_young_next(const tide_runtime *rt, uint64_t id, uint32_t *slot);

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
  TIDE_WATCHED = 1 << 15 /* see tide_watch */
};

/* The heap's view of what has a deadline; part of a task, scope or call. */
typedef struct tide_timer {
  uint32_t index;      /* place in the heap + 1; 0 when not in it */
  uint32_t kind : 2;   /* which struct it is part of */
  uint32_t order : 30; /* ties fire in the order set */
} tide_timer;

/* A task record: 64 bytes, everything rare is elsewhere. Read freely; write
 * only `coro` and the TIDE_USER flags. */
struct tide_task {
  tide_task *next; /* in the ready queue, or in the queue it waits in */
  union {
    tide_task *prev;  /* in that; or whom it awaits: see join.c */
    tide_timer timer; /* in the heap: then it is in no queue */
  };
  void *coro;        /* the bindings': the coroutine that runs now */
  tide_wait *wait;   /* what it waits for, or last waited for */
  tide_scope *scope; /* innermost open scope; NULL: none */
  uintptr_t ends;    /* who waits for its end: see internal.h */
  uint64_t id;       /* of the task, increasing; names are made from it */
  uint32_t slot;     /* stable index of this record, from 1 */
  uint16_t flags;
  uint8_t state;
  uint8_t status; /* tide_status of the last suspension */
};

/* What a task can wait for. An object to wait on begins with a tide_wait. */
typedef struct tide_waitkind {
  const char *what; /* for the task tree: "sleep" */
  /* Takes the task out of its wait; true: done, the caller wakes it. False: it
   * cannot be aborted, its wake will come; only TIDE_CANCELLED may be refused.
   * Called at most once a suspension with TIDE_CANCELLED. Runs no user code. */
  bool (*abort)(tide_runtime *rt, tide_task *task, tide_status why);
  /* The task died after it was woken: what it was granted passes on. */
  void (*forfeit)(tide_runtime *rt, tide_task *task);
} tide_waitkind;
struct tide_wait {
  const tide_waitkind *kind;
};

/* NULL when out of memory. A recycled record keeps its slot and `coro`. */
tide_task *tide_task_new(tide_runtime *rt);
void tide_task_start(tide_runtime *rt, tide_task *task); /* FRESH, at the end */
void tide_task_discard(tide_runtime *rt, tide_task *task); /* never started */
tide_task *tide_task_root(tide_runtime *rt); /* made at first use; or NULL */
tide_task *tide_task_current(const tide_runtime *rt);
tide_task *tide_task_at(const tide_runtime *rt, uint32_t slot);
uint32_t tide_task_slots(const tide_runtime *rt); /* slots are 1..this */
bool tide_task_alive(const tide_task *task);
/* Wakes who awaits it, frees the record (its `coro` stays in it). */
void tide_task_finish(tide_runtime *rt, tide_task *task, tide_end how);
/* asyncio's cancel: counts, and cancels the task's own scope. UV_ENOMEM. */
int tide_task_cancel(tide_runtime *rt, tide_task *task);
uint32_t tide_task_cancelling(const tide_task *task);
uint32_t tide_task_uncancel(tide_runtime *rt, tide_task *task);
/* The scope that Task:cancel cancels; NULL when it has none yet. */
tide_scope *tide_task_own_scope(const tide_task *task);

/* Parks the running task on `wait`. */
void tide_park(tide_runtime *rt, tide_task *task, tide_wait *wait);
/* Ends the suspension; no-op on one that is not parked. */
void tide_wake(tide_runtime *rt, tide_task *task, tide_status status);
/* To the end of the ready queue: exactly one turn. */
void tide_park_turn(tide_runtime *rt, tide_task *task);
/* The same, unless it is the only one that is ready and nothing else is to be
 * done before it runs again: then true, it is not parked, and its next turn has
 * begun. */
bool tide_next_turn(tide_runtime *rt, tide_task *task);
/* Until the host's next step; in tide_loop_run until the next turn. */
void tide_park_tick(tide_runtime *rt, tide_task *task);
/* Until `when` on the runtime's clock; TIDE_NEVER: for ever. */
int tide_park_until(tide_runtime *rt, tide_task *task, uint64_t when);
/* Until every other task is blocked. */
void tide_park_idle(tide_runtime *rt, tide_task *task);
const tide_task *tide_task_awaits(const tide_task *task); /* which task */
bool tide_task_awaits_future(const tide_task *task);
/* Somebody will be told how it ends: who awaits it, also with others. */
bool tide_task_is_awaited(const tide_task *task);

/* True: it waits on only for what it cancelled, or for its group. */
bool tide_task_stays(const tide_task *task);

/* The id of the scope whose cancellation a raise in the task is; 0: unknown,
 * it has been lifted. */
uint64_t tide_task_culprit(tide_runtime *rt, const tide_task *task);
/* True if the next tide_task_new gives a record that has a `coro`. */
bool tide_task_pooled(const tide_runtime *rt);
/* Takes the `coro` of that record, whose slot is told; NULL: there is none. */
void *tide_task_strip(tide_runtime *rt, uint32_t *slot);
/* At the start of every awaiting call, when task->flags & TIDE_TROUBLE: fires
 * what is due; true if the call has to raise a cancellation instead. */
bool tide_checkpoint(tide_runtime *rt, tide_task *task);
/* Gives up the turn before a cancellation is raised; costs more and more. */
void tide_park_raise(tide_runtime *rt, tide_task *task);
/* Gives a task up; bindings learn of it through hooks->abandon. */
void tide_task_give_up(tide_runtime *rt, tide_task *task);
/* A cancellation is raised in it: was the last one of the same scope, it has
 * caught that, which is counted. */
void tide_task_raises(tide_runtime *rt, tide_task *task);
uint32_t tide_task_swallowed(const tide_task *task);
/* Limits after which a task that swallows its own cancel is given up. */
void tide_swallow_limits(tide_runtime *rt, uint32_t times, double seconds);

/* Testing: cancel `task` at its nth await from now, n from 1: at its entry, as
 * soon as it is parked, or when it is woken. False from hit: not reached. */
typedef enum tide_probe_at {
  TIDE_PROBE_ENTER = 1,
  TIDE_PROBE_PARKED,
  TIDE_PROBE_WOKEN
} tide_probe_at;
void tide_probe(tide_runtime *rt, tide_task *task, uint32_t nth,
                tide_probe_at at);
bool tide_probe_hit(const tide_runtime *rt);

/* ---- clocks and timers (timer.c) ---- */

uint64_t tide_now(const tide_runtime *rt); /* nanoseconds */
/* now + seconds, rounded up; the past and negative seconds are now. */
uint64_t tide_deadline(const tide_runtime *rt, double seconds);
/* A point on the clock in seconds, as time() tells it, in nanoseconds. */
uint64_t tide_instant(double seconds);
/* Virtual: time stands still while a task can run, else jumps to the next
 * deadline. Neither switch makes time go back. */
void tide_clock_virtual(tide_runtime *rt, bool on);
/* For tests: moves virtual time on, wakes nobody. */
void tide_clock_advance(tide_runtime *rt, double seconds);

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

struct tide_scope {
  tide_scope *parent; /* around it; NULL: outermost, or detached */
  tide_scope *inner;  /* inside it, in the same chain */
  tide_task *task;    /* whose chain it is in; NULL: detached */
  uint64_t deadline;
  uint64_t id; /* never used again: how an error knows its scope */
  tide_timer timer;
  tide_scope *culprit; /* see tide_scope_culprit */
  uint64_t known;      /* ... right if it is the runtime's `culprits` */
  tide_group *group;   /* whose tasks run inside it, or NULL */
  uint32_t slot;
  uint16_t flags;
};

/* Opens a scope inside the task's innermost one. UV_ENOMEM. */
int tide_scope_enter(tide_runtime *rt, tide_task *task, uint64_t deadline,
                     bool shield, tide_scope **out);
/* Closes the innermost scope of the task and frees it. */
void tide_scope_leave(tide_runtime *rt, tide_task *task);
void tide_scope_cancel(tide_runtime *rt, tide_scope *scope);
void tide_scope_shield(tide_runtime *rt, tide_scope *scope, bool on);
int tide_scope_reschedule(tide_runtime *rt, tide_scope *scope, uint64_t when);
/* The one around it that its task has open, too; NULL: there is none. */
tide_scope *tide_scope_outer(const tide_scope *scope);
/* The innermost scope whose cancellation a checkpoint in `scope` would raise;
 * NULL: none. */
tide_scope *tide_scope_culprit(tide_runtime *rt, tide_scope *scope);
/* A coroutine of its own that has scopes open takes them along: those inside
 * `base` leave the task's chain as one, and later hang on another. */
tide_scope *tide_scope_detach(tide_runtime *rt, tide_task *task,
                              tide_scope *base);
void tide_scope_attach(tide_runtime *rt, tide_task *task, tide_scope *top);
void tide_scope_discard(tide_runtime *rt, tide_scope *top); /* detached */

/* ---- looking on (watch.c) ---- */

/* Is told what happens. Its functions must return, and change nothing. */
typedef struct tide_watcher {
  /* By the task that runs, or else the loop. */
  void (*woken)(tide_runtime *rt, tide_task *task);
  /* A scope around it was. */
  void (*cancelled)(tide_runtime *rt, tide_task *task);
  /* libuv is asked now, and was asked then. */
  void (*poll)(tide_runtime *rt, bool begins, bool blocking);
} tide_watcher;
/* From now on, of all that have TIDE_WATCHED; NULL: no more. Those that are
 * there get it, others by tide_watch_task. Meanwhile no task runs but by
 * tide_loop_next. */
void tide_watch(tide_runtime *rt, const tide_watcher *watcher);
void tide_watch_task(tide_task *task);
const char *tide_task_waits_for(const tide_task *task); /* NULL: nothing */
/* When a sleep ends; TIDE_NEVER also: it does not sleep. */
uint64_t tide_task_sleeps_until(const tide_runtime *rt, const tide_task *task);
/* The owner of the lock that it waits for; NULL: it waits for none. */
tide_task *tide_task_lock_owner(const tide_task *task);

/* ---- callbacks (call.c) ---- */

struct tide_call {
  tide_call *next;
  tide_timer timer;
  uint32_t slot;   /* stable index of this record, from 1 */
  uint32_t serial; /* with the slot: which use of the record it is */
  uint8_t state;
};
enum { TIDE_CALL_FREE, TIDE_CALL_TIMED, TIDE_CALL_QUEUED, TIDE_CALL_CANCELLED };

/* Runs hooks->call from the loop: in the next turn, or when due. */
int tide_call_soon(tide_runtime *rt, tide_call **out);
int tide_call_at(tide_runtime *rt, uint64_t when, tide_call **out);
void tide_call_cancel(tide_runtime *rt, tide_call *call);
tide_call *tide_call_in(const tide_runtime *rt, uint32_t slot);
uint32_t tide_call_slots(const tide_runtime *rt); /* slots are 1..this */
/* TIDE_NEVER: in the next turn, or never. */
uint64_t tide_call_when(const tide_runtime *rt, const tide_call *call);
tide_call *tide_call_find(const tide_runtime *rt, uint32_t slot,
                          uint32_t serial);

/* ---- SIGINT (interrupt.c) ---- */

/* From now on SIGINT cancels the main task, or the root task's wait. A second
 * one before tide_interrupt_take puts back the handler that was there before
 * and raises the signal again. UV_EBUSY: another runtime of this process
 * watches. UV_ENOTSUP: there is no sigaction here. */
int tide_interrupt_watch(tide_runtime *rt);
void tide_interrupt_unwatch(tide_runtime *rt);
bool tide_interrupt_watched(const tide_runtime *rt);
/* True if it came and was not taken. */
bool tide_interrupt_came(const tide_runtime *rt);
/* True if it came and the main or root task was cancelled for it. */
bool tide_interrupt_told(const tide_runtime *rt);
/* True if a signal came since the last call; the next is a first one again. */
bool tide_interrupt_take(tide_runtime *rt);

#pragma GCC visibility pop

#endif

/*
 * sync.h: what tasks wait for, and what it does with them: wait queues and the
 * primitives on them; ends of tasks and futures, one or several.
 *
 * The structs are the user's, who may keep them in memory of any kind as long
 * as a task waits for them; each is made by its init function.
 */
#ifndef TIDE_SYNC_H
#define TIDE_SYNC_H

#include <stdatomic.h>

#include "runtime.h"

#pragma GCC visibility push(hidden)

/* ---- wait queues (waitq.c) ---- */

struct tideR_waitq {
  tideR_wait wait;
  tideR_task *head, *tail;
};
/* A waiter is in exactly one queue; its abort unlinks it, in O(1). */
bool tideR_waitq_abort(tideR_runtime *rt, tideR_task *task, tideR_status why);
void tideR_waitq_init(tideR_waitq *queue, const tideR_waitkind *kind);
void tideR_waitq_park(tideR_runtime *rt, tideR_task *task, tideR_waitq *queue);
/* Wakes the first; returns it, or NULL. What it was woken for is its own. */
tideR_task *tideR_waitq_wake(tideR_runtime *rt, tideR_waitq *queue);
void tideR_waitq_wake_all(tideR_runtime *rt, tideR_waitq *queue);
uint32_t tideR_waitq_length(const tideR_waitq *queue); /* walks it */

/* ---- semaphores (semaphore.c) ---- */

typedef struct tideR_semaphore {
  tideR_waitq waiters;
  uint64_t value; /* permits that are free: 0 while tasks wait */
} tideR_semaphore;

void tideR_semaphore_init(tideR_semaphore *semaphore, uint64_t value);
/* Takes a free permit; false: there is none, or others wait. */
static inline bool tideR_semaphore_try(tideR_semaphore *semaphore) {
  bool is_free = semaphore->value > 0;
  semaphore->value -= is_free;
  return is_free;
}
/* Woken by TIDE_WOKEN, the task has a permit. */
void tideR_semaphore_park(tideR_runtime *rt, tideR_task *task,
                          tideR_semaphore *semaphore);
/* The permit is the first waiter's from here on. */
void tideR_semaphore_release(tideR_runtime *rt, tideR_semaphore *semaphore);

/* ---- events (event.c) ---- */

typedef struct tideR_event {
  tideR_waitq waiters;
  bool is_set;
} tideR_event;

void tideR_event_init(tideR_event *event);
void tideR_event_park(tideR_runtime *rt, tideR_task *task, tideR_event *event);
void tideR_event_set(tideR_runtime *rt, tideR_event *event);
void tideR_event_clear(tideR_event *event);

/* ---- signals (signal.c) ---- */

typedef struct tideR_signal {
  tideR_waitq waiters;
  tideR_runtime *rt; /* that watches; NULL: none does */
  void (*told)(struct tideR_signal *signal);
  void (*_Atomic caught)(struct tideR_signal *signal); /* in the handler */
  struct tideR_signal *sibling;        /* the next one of this runtime */
  _Atomic(struct tideR_signal *) next; /* the next one of this process */
  int number;
  int seen;        /* of `hits`: those that have been delivered */
  atomic_int hits; /* came, and were not taken */
  bool urgent;
  bool aside; /* calls `caught`, and is nobody who watches else */
} tideR_signal;

/* Of an interrupt that is watched: caught is called in the handler; or NULL. */
void tideR_interrupt_caught(tideR_runtime *rt, void (*caught)(tideR_signal *));
int tideR_signal_number(const char *name); /* of "SIGINT"; 0: there is none */
const char *tideR_signal_name(int number); /* or NULL: it has none */
/* The default action takes the place of what was there. */
int tideR_signal_default(int number);
/* Sends it to this process, or to its group, as a terminal does. */
int tideR_signal_send(int number, bool group);
void tideR_signal_init(tideR_signal *signal);
/* From now on the signal is this watcher's, too. What comes is delivered after
 * the next poll: wakes who waits, calls `told`, if there is one, which must not
 * longjmp. When it is `urgent`, and comes again before it was taken, the
 * handler from before is put back and the signal raised again. */
int tideR_signal_watch(tideR_runtime *rt, tideR_signal *signal, int number,
                       bool urgent, void (*told)(tideR_signal *signal));
/* The last watcher puts the handler back that was there before the first, if
 * nobody has replaced it. Wakes who waits. The runtime's end does it, too. */
void tideR_signal_unwatch(tideR_signal *signal);
bool tideR_signal_came(const tideR_signal *signal);
/* How many have come since the last call. */
uint32_t tideR_signal_take(tideR_signal *signal);
/* Until one is delivered. Ask before whether one is there. */
void tideR_signal_park(tideR_runtime *rt, tideR_task *task,
                       tideR_signal *signal);

/* ---- SIGINT (interrupt.c) ---- */

/* From now on SIGINT cancels the main task, or the root task's wait. A second
 * one before tideR_interrupt_take puts back the handler that was there before
 * and raises the signal again. UV_EBUSY: another runtime of this process
 * watches. UV_ENOTSUP: there is no sigaction here. */
int tideR_interrupt_watch(tideR_runtime *rt);
void tideR_interrupt_unwatch(tideR_runtime *rt);
bool tideR_interrupt_watched(const tideR_runtime *rt);
/* True if it came and was not taken. */
bool tideR_interrupt_came(const tideR_runtime *rt);
/* True if it came and the main or root task was cancelled for it. */
bool tideR_interrupt_told(const tideR_runtime *rt);
/* True if a signal came since the last call; the next is a first one again. */
bool tideR_interrupt_take(tideR_runtime *rt);

/* ---- input (input.c) ---- */

typedef struct tideR_input tideR_input;

/* Of stdin, stdout and stderr, what is closed becomes /dev/null: libuv aborts
 * when a loop has come to own such a descriptor. Before the first runtime. */
void tideR_input_reserve(void);
/* Reads the descriptor, which keeps its mode, blocking or not; and is closed by
 * tideR_input_close if it is a stream, but for stdin, stdout and stderr. */
int tideR_input_open(tideR_runtime *rt, int fd, tideR_input **out);
/* Wakes who waits. The runtime's end does it, too. */
void tideR_input_close(tideR_input *input);
/* A task waits, or what came is promised to one. */
bool tideR_input_busy(const tideR_input *input);
/* True: tideR_input_see has something. A file always has. */
bool tideR_input_ready(tideR_input *input);
/* It is the caller's, though a turn may come first: what to forfeit. */
tideR_wait *tideR_input_promise(tideR_input *input);
/* Until it has, for one task at a time. */
int tideR_input_park(tideR_runtime *rt, tideR_task *task, tideR_input *input);
/* How many bytes there are; UV_EOF or another error; 0: none. */
ssize_t tideR_input_see(tideR_input *input, const char **bytes);
void tideR_input_take(tideR_input *input); /* them; now others may come */
bool tideR_input_is_tty(const tideR_input *input);
/* Whether it gives each key as it is pressed, unseen. UV_ENOTSUP: it is no
 * terminal. What it was is put back when it is closed and at exit. */
int tideR_input_raw(tideR_input *input, bool raw);
int tideR_input_columns(tideR_input *input); /* 0: unknown */

/* ---- remotes (remote.c) ---- */

/* Counted; outlives the runtime. Until it is released it counts as a waker. In
 * the runtime's thread. NULL: no memory, or the runtime ends. */
tideR_remote *tideR_remote_new(tideR_runtime *rt);
/* The rest is for any thread. Another count; returns it. */
tideR_remote *tideR_remote_retain(tideR_remote *remote);
void tideR_remote_release(tideR_remote *remote); /* NULL is fine */
/* hooks->post gets it in one of the next turns, in the order of the posts of
 * all remotes, so many in a turn but not all. UV_ECANCELED: the runtime has
 * ended. If it ends before that, fn(NULL, arg) is called. UV_ENOMEM. */
int tideR_remote_post(tideR_remote *remote,
                      void (*fn)(struct tide_runtime *rt, void *arg),
                      void *arg);
/* In the runtime's thread: from now on posted(ud) is called by who posts first
 * since the runtime looked, in that thread, and under a lock: it calls nothing
 * of ours. NULL: no more. */
void tideR_remote_on_post(tideR_runtime *rt, void (*posted)(void *ud),
                          void *ud);

/* ---- work (work.c) ---- */

/* Memory of the user's, who sets `work` and `after`, and frees it in after. */
typedef struct tideR_work {
  uv_work_t uv;
  tideR_runtime *rt; /* NULL in after: it ends, or has ended */
  void (*work)(struct tideR_work *work); /* in a thread of the pool */
  /* In a callback of libuv's: records and wakes. UV_ECANCELED: not begun. */
  void (*after)(struct tideR_work *work, int status);
  struct tideR_work *next, **link; /* in a list of the runtime */
  tideR_runtime *keeper;           /* whose records stay until after */
} tideR_work;

int tideR_work_start(tideR_runtime *rt, tideR_work *work);
/* True: it had not begun and will not. after comes all the same. The runtime's
 * end does it, too, and waits for what has begun, on a host's loop by being
 * over later. */
bool tideR_work_cancel(tideR_work *work);

/* ---- ends (join.c) ---- */

/* What waits for the end of one task or future. */
struct tideR_join {
  tideR_waitq joined;      /* tasks that count: the last to leave cancels it */
  tideR_waitq watched;     /* tasks that do not */
  tideR_link *head, *tail; /* of gathers that wait for it */
  tideR_task *task;        /* whose end it is; NULL: a future's */
  tideR_join *next_cancel; /* in the queue of those to cancel */
  uint32_t awaiters;       /* how many tasks and gathers count */
  uint32_t leaving;        /* links of gathers that stay for it */
  bool cancel_queued;
  bool promised; /* of a future: a waker until it ends */
  bool ended;
  uint8_t how; /* tideR_end, once it has ended */
};

void tideR_future_init(tideR_join *join);
tideR_join *tideR_task_join(tideR_runtime *rt, tideR_task *task); /* or NULL */
/* Parks the task until the end of another, which has not come yet. If it is
 * cancelled, and the last, it cancels that one, and stays. UV_ENOMEM. */
int tideR_task_await(tideR_runtime *rt, tideR_task *task, tideR_task *target);
/* The same for a join; only if it is `counted` it ever cancels. */
void tideR_join_park(tideR_runtime *rt, tideR_task *task, tideR_join *join,
                     bool counted);
/* The future has ended: wakes who waits. A task's ends by tideR_task_finish. */
void tideR_future_end(tideR_runtime *rt, tideR_join *join, tideR_end how);
/* Somebody outside is to end it, or is not any more: counts as a waker. */
void tideR_future_promise(tideR_runtime *rt, tideR_join *join, bool on);
/* A task is cancelled as by tideR_task_cancel, a future ends cancelled. */
int tideR_join_cancel(tideR_runtime *rt, tideR_join *join);

/* ---- several ends (gather.c) ---- */

/* Until when a gather waits, and what it does then. */
typedef enum tideR_until {
  TIDE_UNTIL_ALL,    /* all have ended */
  TIDE_UNTIL_FIRST,  /* one has ended */
  TIDE_UNTIL_FAILED, /* one has failed, or all have ended */
  TIDE_UNTIL_ERROR,  /* all; when one failed or was cancelled, it cancels the
                        others */
  TIDE_UNTIL_WINNER, /* all; when one has ended, it cancels the others */
  TIDE_UNTIL_EMPTY   /* a group's: all; when one failed, it cancels its scope */
} tideR_until;

/* One end that a gather waits for. */
struct tideR_link {
  union {
    tideR_link *next; /* in the list of the join */
    tideR_task *task; /* that nobody else waits for; there is no join */
  };
  tideR_link *prev;
  tideR_link *after, *before; /* in a list of the gather */
  tideR_join *join;           /* NULL also: it has ended, or was left */
  tideR_gather *gather;
  bool counted; /* it counts as an awaiter */
  bool mine;    /* the bindings' own */
};

typedef struct tideR_links {
  tideR_link *head, *tail;
} tideR_links;

struct tideR_gather {
  tideR_wait wait;
  tideR_task *waiter;  /* parked on it, or NULL */
  tideR_links pending; /* have not ended */
  tideR_links done;    /* have, in that order */
  tideR_link *first;   /* the one that decided it */
  uint32_t mark;       /* of the last walk to it */
  tideR_task *via;     /* ... and the last await on its way */
  uint8_t until;
  bool counted;   /* its links count as awaiters */
  bool begun;     /* all its ends were added: it may decide */
  bool leaving;   /* has cancelled what is pending, and stays for its end */
  bool cancelled; /* its waiter was; of a group: a child was, by its scope */
  bool failed;    /* of a group: a child has */
};

void tideR_gather_init(tideR_gather *gather, tideR_until until, bool counted);
/* The join of what the link is to, made if it has none; or NULL. */
tideR_join *tideR_link_join(tideR_runtime *rt, tideR_link *link);
/* From now on it waits for this end, too, which may have come already. */
void tideR_gather_add(tideR_gather *gather, tideR_link *link, tideR_join *join);
int tideR_gather_add_task(tideR_runtime *rt, tideR_gather *gather,
                          tideR_link *link, tideR_task *task); /* UV_ENOMEM */
void tideR_gather_add_ended(tideR_gather *gather, tideR_link *link,
                            tideR_end how);
/* After the last add, before `task` waits: false if there is nothing to wait
 * for. */
bool tideR_gather_begin(tideR_runtime *rt, tideR_task *task,
                        tideR_gather *gather);
/* One of the ends that are still to come is the task's own. */
bool tideR_gather_awaits(const tideR_gather *gather, const tideR_task *task);
void tideR_gather_park(tideR_runtime *rt, tideR_task *task,
                       tideR_gather *gather);
/* The first of those that a task waits for in it, or of its group's; the others
 * follow by `after`. NULL: it waits in none. */
const tideR_link *tideR_task_pending(const tideR_task *task);
bool tideR_task_waits_in_group(const tideR_task *task); /* at its edge */
const tideR_task *tideR_link_target(
    const tideR_link *link); /* NULL: a future */
/* Takes the one that ended first out of those that have; NULL: none has. */
tideR_link *tideR_gather_take(tideR_gather *gather);
/* It no longer waits for the end of this pending link; of any: who waits in it
 * goes on. */
void tideR_gather_drop(tideR_link *link);
void tideR_gather_leave(tideR_runtime *rt, tideR_gather *gather);
/* Cancels what is pending and nobody else waits for; it waits for the end of
 * that, and for nothing else. */
void tideR_gather_cancel(tideR_runtime *rt, tideR_gather *gather);

/* ---- groups (group.c) ---- */

struct tideR_group {
  tideR_gather children;
  tideR_scope *scope; /* around the host's code and the children */
  tideR_group
      *starts; /* in each a child to be begins: it does not end before */
  tideR_group *target;          /* it is one of those of this group, or NULL */
  tideR_group *later, *earlier; /* in the list of its target */
  tideR_group *next;            /* in a list of scope.c */
  bool queued;
};

/* Opens a scope with a group: (*out)->scope. Leaving the scope frees it; that
 * is only for when its children have ended, or else disbands it. */
int tideR_group_enter(tideR_runtime *rt, tideR_task *task, tideR_group **out);
/* Before the task is started; from another group while it runs. */
int tideR_group_add(tideR_runtime *rt, tideR_group *group, tideR_task *task);
void tideR_group_move(tideR_runtime *rt, tideR_group *group, tideR_task *task);
tideR_group *tideR_task_group(const tideR_task *task); /* NULL: in none */
/* Parks the host until all children have ended; no cancel ends that. */
void tideR_group_park(tideR_runtime *rt, tideR_task *task, tideR_group *group);
/* Its children are cancelled, and belong to no group any more: its host was
 * abandoned, or left scopes out of order. */
void tideR_group_disband(tideR_runtime *rt, tideR_group *group);
bool tideR_group_empty(const tideR_group *group);
/* The target does not end before this group, in which a task begins that may
 * move there. */
void tideR_group_start(tideR_group *group, tideR_group *target);
uint32_t tideR_group_count(const tideR_group *group);

/* ---- locks (lock.c) ---- */

struct tideR_lock {
  tideR_waitq waiters;
  tideR_task *owner; /* NULL: it is free, and nobody waits */
  uint64_t owner_id;
  tideR_condition *conditions; /* on it, in which tasks wait */
  tideR_lock *next, **link;    /* in its owner's list, while tasks wait: the
                                 next one, and what points to this one */
};

void tideR_lock_init(tideR_lock *lock);
/* 0: it is the task's. UV_EBUSY: it is somebody's, or broken. UV_ENOMEM. */
int tideR_lock_try(tideR_runtime *rt, tideR_task *task, tideR_lock *lock);
/* Of another's lock. Woken by TIDE_WOKEN, the task owns it; by TIDE_REFUSED, it
 * is broken. UV_ENOMEM. */
int tideR_lock_park(tideR_runtime *rt, tideR_task *task, tideR_lock *lock);
/* The lock is the first waiter's from here on. */
void tideR_lock_release(tideR_runtime *rt, tideR_lock *lock);
/* A record is used again, under another id. */
static inline bool tideR_lock_owned(const tideR_lock *lock,
                                    const tideR_task *task) {
  return lock->owner == task && lock->owner_id == task->id;
}
/* Its owner ended without releasing it: it is nobody's any more. */
bool tideR_lock_broken(const tideR_lock *lock);

/* ---- conditions (condition.c) ---- */

struct tideR_condition {
  tideR_waitq waiters; /* to be notified; further on they queue for the lock: */
  tideR_wait notified; /* ... those that were notified */
  tideR_wait leaving;  /* ... those that were cancelled before */
  tideR_lock *lock;
  tideR_condition *next, **link; /* in the lock's list, while tasks wait */
};

void tideR_condition_init(tideR_condition *condition, tideR_lock *lock);
/* Of the owner of the lock, which is released. Woken by TIDE_WOKEN, it owns the
 * lock again, or else that is broken. UV_ENOMEM. */
int tideR_condition_park(tideR_runtime *rt, tideR_task *task,
                         tideR_condition *condition);
/* Whether the wait that ended was cancelled before it was notified. */
bool tideR_condition_left(const tideR_condition *condition,
                          const tideR_task *task);
/* By the owner of the lock: wakes the first n. */
void tideR_condition_notify(tideR_runtime *rt, tideR_condition *condition,
                            uint64_t n);

/* ---- barriers (barrier.c) ---- */

typedef struct tideR_barrier {
  tideR_waitq waiters;
  uint64_t parties;
  uint64_t waiting;
  bool broken; /* aborted, and not reset since */
} tideR_barrier;
#define TIDE_BROKEN UINT64_MAX

void tideR_barrier_init(tideR_barrier *barrier, uint64_t parties);
/* True: all others wait, the next to come releases them. */
bool tideR_barrier_full(const tideR_barrier *barrier);
/* The last one comes: all have their places. UV_ENOMEM. */
int tideR_barrier_release(tideR_runtime *rt, tideR_task *last,
                          tideR_barrier *barrier);
int tideR_barrier_park(tideR_runtime *rt, tideR_task *task,
                       tideR_barrier *barrier);
/* 0, 1, ... among those that were released together, or TIDE_BROKEN. */
uint64_t tideR_barrier_place(const tideR_task *task);
/* Those who wait find it broken; who comes later does not, or does. */
void tideR_barrier_reset(tideR_runtime *rt, tideR_barrier *barrier);
void tideR_barrier_abort(tideR_runtime *rt, tideR_barrier *barrier);

/* ---- queues (queue.c) ---- */

/* The counts of a queue, whose items are the bindings'. */
typedef struct tideR_queue {
  tideR_waitq getters, putters, joiners;
  uint64_t maxsize;    /* UINT64_MAX: unbounded */
  uint64_t stored;     /* items in it */
  uint64_t reserved;   /* of these, a getter's that has yet to take it */
  uint64_t places;     /* a putter's that has yet to fill it */
  uint64_t unfinished; /* items put that were not told done */
  bool shut;
  bool dropped; /* ... and what was in it has been dropped */
} tideR_queue;

/* late: a putter that is woken has a place, which it will fill; else who admits
 * it fills its place at once. */
void tideR_queue_init(tideR_queue *queue, uint64_t maxsize, bool late);
/* The items that anybody may get. */
static inline uint64_t tideR_queue_size(const tideR_queue *queue) {
  return queue->stored - queue->reserved;
}
/* A put would have to wait: there is no place, or others wait. */
static inline bool tideR_queue_full(const tideR_queue *queue) {
  return queue->putters.head != NULL ||
         tideR_queue_size(queue) + queue->places >= queue->maxsize;
}
/* The caller gets an item, if there is one; followed by take or unreserve. */
static inline bool tideR_queue_reserve(tideR_queue *queue) {
  bool any = tideR_queue_size(queue) > 0;
  queue->reserved += any;
  return any;
}
/* Woken by TIDE_WOKEN, an item is reserved for the task. */
void tideR_queue_park_get(tideR_runtime *rt, tideR_task *task,
                          tideR_queue *queue);
/* The reserved item is out; tideR_queue_admit comes next. */
static inline void tideR_queue_take(tideR_queue *queue) {
  queue->stored--;
  queue->reserved--;
}
/* The reserved item could not be taken: it is the next getter's, or free. */
void tideR_queue_unreserve(tideR_runtime *rt, tideR_queue *queue);
/* The caller, who saw that it is not full, gets a place: fill or unclaim. */
static inline void tideR_queue_claim(tideR_queue *queue) {
  queue->places++;
}
/* Woken by TIDE_WOKEN, the task was admitted. */
void tideR_queue_park_put(tideR_runtime *rt, tideR_task *task,
                          tideR_queue *queue);
/* An item is in the place. */
void tideR_queue_fill(tideR_runtime *rt, tideR_queue *queue);
/* The place was not filled: it is the next putter's. */
void tideR_queue_unclaim(tideR_runtime *rt, tideR_queue *queue);
/* Gives a place to the first putter, if both are there; wakes and returns it.
 */
tideR_task *tideR_queue_admit(tideR_runtime *rt, tideR_queue *queue);
/* One item is done; false: none is unfinished. */
bool tideR_queue_done(tideR_runtime *rt, tideR_queue *queue);
void tideR_queue_park_join(tideR_runtime *rt, tideR_task *task,
                           tideR_queue *queue);
/* drop: free items leave it, unfinished; the reserved ones stay. Who waits is
 * woken by TIDE_REFUSED. */
void tideR_queue_shut(tideR_runtime *rt, tideR_queue *queue, bool drop);

#pragma GCC visibility pop

#endif

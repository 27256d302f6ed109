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

struct tide_waitq {
  tide_wait wait;
  tide_task *head, *tail;
};
/* A waiter is in exactly one queue; its abort unlinks it, in O(1). */
bool tide_waitq_abort(tide_runtime *rt, tide_task *task, tide_status why);
void tide_waitq_init(tide_waitq *queue, const tide_waitkind *kind);
void tide_waitq_park(tide_runtime *rt, tide_task *task, tide_waitq *queue);
/* Wakes the first; returns it, or NULL. What it was woken for is its own. */
tide_task *tide_waitq_wake(tide_runtime *rt, tide_waitq *queue);
void tide_waitq_wake_all(tide_runtime *rt, tide_waitq *queue);
uint32_t tide_waitq_length(const tide_waitq *queue); /* walks it */

/* ---- semaphores (semaphore.c) ---- */

typedef struct tide_semaphore {
  tide_waitq waiters;
  uint64_t value; /* permits that are free: 0 while tasks wait */
} tide_semaphore;

void tide_semaphore_init(tide_semaphore *semaphore, uint64_t value);
/* Takes a free permit; false: there is none, or others wait. */
static inline bool tide_semaphore_try(tide_semaphore *semaphore) {
  bool is_free = semaphore->value > 0 && semaphore->waiters.head == NULL;
  semaphore->value -= is_free;
  return is_free;
}
/* Woken by TIDE_WOKEN, the task has a permit. */
void tide_semaphore_park(tide_runtime *rt, tide_task *task,
                         tide_semaphore *semaphore);
/* The permit is the first waiter's from here on. */
void tide_semaphore_release(tide_runtime *rt, tide_semaphore *semaphore);

/* ---- events (event.c) ---- */

typedef struct tide_event {
  tide_waitq waiters;
  bool is_set;
} tide_event;

void tide_event_init(tide_event *event);
void tide_event_park(tide_runtime *rt, tide_task *task, tide_event *event);
void tide_event_set(tide_runtime *rt, tide_event *event);
void tide_event_clear(tide_event *event);

/* ---- signals (signal.c) ---- */

typedef struct tide_signal {
  tide_waitq waiters;
  tide_runtime *rt; /* that watches; NULL: none does */
  void (*told)(struct tide_signal *signal);
  void (*_Atomic caught)(struct tide_signal *signal); /* in the handler */
  struct tide_signal *sibling;        /* the next one of this runtime */
  _Atomic(struct tide_signal *) next; /* the next one of this process */
  int number;
  int seen;        /* of `hits`: those that have been delivered */
  atomic_int hits; /* came, and were not taken */
  bool urgent;
} tide_signal;

/* Of an interrupt that is watched: caught is called in the handler; or NULL. */
void tide_interrupt_caught(tide_runtime *rt, void (*caught)(tide_signal *));
int tide_signal_number(const char *name); /* of "SIGINT"; 0: there is none */
/* The default action takes the place of what was there. */
int tide_signal_default(int number);
/* Sends it to this process, or to its group, as a terminal does. */
int tide_signal_send(int number, bool group);
void tide_signal_init(tide_signal *signal);
/* From now on the signal is this watcher's, too. What comes is delivered after
 * the next poll: wakes who waits, calls `told`, if there is one, which must not
 * longjmp. When it is `urgent`, and comes again before it was taken, the
 * handler from before is put back and the signal raised again. */
int tide_signal_watch(tide_runtime *rt, tide_signal *signal, int number,
                      bool urgent, void (*told)(tide_signal *signal));
/* The last watcher puts the handler back that was there before the first, if
 * nobody has replaced it. Wakes who waits. The runtime's end does it, too. */
void tide_signal_unwatch(tide_signal *signal);
bool tide_signal_came(const tide_signal *signal);
/* How many have come since the last call. */
uint32_t tide_signal_take(tide_signal *signal);
/* Until one is delivered. Ask before whether one is there. */
void tide_signal_park(tide_runtime *rt, tide_task *task, tide_signal *signal);

/* ---- input (input.c) ---- */

typedef struct tide_input tide_input;

/* Of stdin, stdout and stderr, what is closed becomes /dev/null: libuv aborts
 * when a loop has come to own such a descriptor. Before the first runtime. */
void tide_input_reserve(void);
/* Reads the descriptor, which keeps its mode, blocking or not; and is closed by
 * tide_input_close if it is a stream, but for stdin, stdout and stderr. */
int tide_input_open(tide_runtime *rt, int fd, tide_input **out);
/* Wakes who waits. The runtime's end does it, too. */
void tide_input_close(tide_input *input);
/* A task waits, or what came is promised to one. */
bool tide_input_busy(const tide_input *input);
/* True: tide_input_see has something. A file always has. */
bool tide_input_ready(tide_input *input);
/* It is the caller's, though a turn may come first: what to forfeit. */
tide_wait *tide_input_promise(tide_input *input);
/* Until it has, for one task at a time. */
int tide_input_park(tide_runtime *rt, tide_task *task, tide_input *input);
/* How many bytes there are; UV_EOF or another error; 0: none. */
ssize_t tide_input_see(tide_input *input, const char **bytes);
void tide_input_take(tide_input *input); /* them; now others may come */
bool tide_input_is_tty(const tide_input *input);
/* Whether it gives each key as it is pressed, unseen. UV_ENOTSUP: it is no
 * terminal. What it was is put back when it is closed and at exit. */
int tide_input_raw(tide_input *input, bool raw);
int tide_input_columns(tide_input *input); /* 0: unknown */

/* ---- ends (join.c) ---- */

/* What waits for the end of one task or future. */
struct tide_join {
  tide_waitq joined;      /* tasks that count: the last to leave cancels it */
  tide_waitq watched;     /* tasks that do not */
  tide_link *head, *tail; /* of gathers that wait for it */
  tide_task *task;        /* whose end it is; NULL: a future's */
  tide_join *next_cancel; /* in the queue of those to cancel */
  uint32_t awaiters;      /* how many tasks and gathers count */
  uint32_t leaving;       /* links of gathers that stay for it */
  bool cancel_queued;
  bool ended;
  uint8_t how; /* tide_end, once it has ended */
};

void tide_future_init(tide_join *join);
tide_join *tide_task_join(tide_runtime *rt, tide_task *task); /* or NULL */
/* Parks the task until the end of another, which has not come yet. If it is
 * cancelled, and the last, it cancels that one, and stays. UV_ENOMEM. */
int tide_task_await(tide_runtime *rt, tide_task *task, tide_task *target);
/* The same for a join; only if it is `counted` it ever cancels. */
void tide_join_park(tide_runtime *rt, tide_task *task, tide_join *join,
                    bool counted);
/* The future has ended: wakes who waits. A task's ends by tide_task_finish. */
void tide_future_end(tide_runtime *rt, tide_join *join, tide_end how);
/* A task is cancelled as by tide_task_cancel, a future ends cancelled. */
int tide_join_cancel(tide_runtime *rt, tide_join *join);

/* ---- several ends (gather.c) ---- */

/* Until when a gather waits, and what it does then. */
typedef enum tide_until {
  TIDE_UNTIL_ALL,    /* all have ended */
  TIDE_UNTIL_FIRST,  /* one has ended */
  TIDE_UNTIL_FAILED, /* one has failed, or all have ended */
  TIDE_UNTIL_ERROR,  /* all; when one failed or was cancelled, it cancels the
                        others */
  TIDE_UNTIL_WINNER, /* all; when one has ended, it cancels the others */
  TIDE_UNTIL_EMPTY   /* a group's: all; when one failed, it cancels its scope */
} tide_until;

/* One end that a gather waits for. */
struct tide_link {
  union {
    tide_link *next; /* in the list of the join */
    tide_task *task; /* that nobody else waits for; there is no join */
  };
  tide_link *prev;
  tide_link *after, *before; /* in a list of the gather */
  tide_join *join;           /* NULL also: it has ended, or was left */
  tide_gather *gather;
  bool counted; /* it counts as an awaiter */
  bool mine;    /* the bindings' own */
};

typedef struct tide_links {
  tide_link *head, *tail;
} tide_links;

struct tide_gather {
  tide_wait wait;
  tide_task *waiter;  /* parked on it, or NULL */
  tide_links pending; /* have not ended */
  tide_links done;    /* have, in that order */
  tide_link *first;   /* the one that decided it */
  uint32_t mark;      /* of the last walk to it */
  tide_task *via;     /* ... and the last await on its way */
  uint8_t until;
  bool counted;   /* its links count as awaiters */
  bool begun;     /* all its ends were added: it may decide */
  bool leaving;   /* has cancelled what is pending, and stays for its end */
  bool cancelled; /* its waiter was; of a group: a child was, by its scope */
};

void tide_gather_init(tide_gather *gather, tide_until until, bool counted);
/* The join of what the link is to, made if it has none; or NULL. */
tide_join *tide_link_join(tide_runtime *rt, tide_link *link);
/* From now on it waits for this end, too, which may have come already. */
void tide_gather_add(tide_gather *gather, tide_link *link, tide_join *join);
int tide_gather_add_task(tide_runtime *rt, tide_gather *gather, tide_link *link,
                         tide_task *task); /* UV_ENOMEM */
void tide_gather_add_ended(tide_gather *gather, tide_link *link, tide_end how);
/* After the last add, before `task` waits: false if there is nothing to wait
 * for. */
bool tide_gather_begin(tide_runtime *rt, tide_task *task, tide_gather *gather);
/* One of the ends that are still to come is the task's own. */
bool tide_gather_awaits(const tide_gather *gather, const tide_task *task);
void tide_gather_park(tide_runtime *rt, tide_task *task, tide_gather *gather);
/* The first of those that a task waits for in it, or of its group's; the others
 * follow by `after`. NULL: it waits in none. */
const tide_link *tide_task_pending(const tide_task *task);
bool tide_task_waits_in_group(const tide_task *task);     /* at its edge */
const tide_task *tide_link_target(const tide_link *link); /* NULL: a future */
/* Takes the one that ended first out of those that have; NULL: none has. */
tide_link *tide_gather_take(tide_gather *gather);
/* It no longer waits for the end of this pending link; of any: who waits in it
 * goes on. */
void tide_gather_drop(tide_link *link);
void tide_gather_leave(tide_runtime *rt, tide_gather *gather);
/* Cancels what is pending and nobody else waits for; it waits for the end of
 * that, and for nothing else. */
void tide_gather_cancel(tide_runtime *rt, tide_gather *gather);

/* ---- groups (group.c) ---- */

struct tide_group {
  tide_gather children;
  tide_scope *scope;  /* around the host's code and the children */
  tide_group *starts; /* in each a child to be begins: it does not end before */
  tide_group *target; /* it is one of those of this group, or NULL */
  tide_group *later, *earlier; /* in the list of its target */
  tide_group *next;            /* in a list of scope.c */
  bool queued;
};

/* Opens a scope with a group: (*out)->scope. Leaving the scope frees it; that
 * is only for when its children have ended, or else disbands it. */
int tide_group_enter(tide_runtime *rt, tide_task *task, tide_group **out);
/* Before the task is started; from another group while it runs. */
int tide_group_add(tide_runtime *rt, tide_group *group, tide_task *task);
void tide_group_move(tide_runtime *rt, tide_group *group, tide_task *task);
tide_group *tide_task_group(const tide_task *task); /* NULL: in none */
/* Parks the host until all children have ended; no cancel ends that. */
void tide_group_park(tide_runtime *rt, tide_task *task, tide_group *group);
/* Its children are cancelled, and belong to no group any more: its host was
 * abandoned, or left scopes out of order. */
void tide_group_disband(tide_runtime *rt, tide_group *group);
bool tide_group_empty(const tide_group *group);
/* The target does not end before this group, in which a task begins that may
 * move there. */
void tide_group_start(tide_group *group, tide_group *target);
uint32_t tide_group_count(const tide_group *group);

/* ---- locks (lock.c) ---- */

struct tide_lock {
  tide_waitq waiters;
  tide_task *owner; /* NULL: it is free, and nobody waits */
  uint64_t owner_id;
  tide_condition *conditions; /* on it, in which tasks wait */
  tide_lock *next, **link;    /* in its owner's list, while tasks wait: the
                                 next one, and what points to this one */
};

void tide_lock_init(tide_lock *lock);
/* 0: it is the task's. UV_EBUSY: it is somebody's, or broken. UV_ENOMEM. */
int tide_lock_try(tide_runtime *rt, tide_task *task, tide_lock *lock);
/* Of another's lock. Woken by TIDE_WOKEN, the task owns it; by TIDE_REFUSED, it
 * is broken. UV_ENOMEM. */
int tide_lock_park(tide_runtime *rt, tide_task *task, tide_lock *lock);
/* The lock is the first waiter's from here on. */
void tide_lock_release(tide_runtime *rt, tide_lock *lock);
/* A record is used again, under another id. */
static inline bool tide_lock_owned(const tide_lock *lock,
                                   const tide_task *task) {
  return lock->owner == task && lock->owner_id == task->id;
}
/* Its owner ended without releasing it: it is nobody's any more. */
bool tide_lock_broken(const tide_lock *lock);

/* ---- conditions (condition.c) ---- */

struct tide_condition {
  tide_waitq waiters; /* to be notified; further on they queue for the lock: */
  tide_wait notified; /* ... those that were notified */
  tide_wait leaving;  /* ... those that were cancelled before */
  tide_lock *lock;
  tide_condition *next, **link; /* in the lock's list, while tasks wait */
};

void tide_condition_init(tide_condition *condition, tide_lock *lock);
/* Of the owner of the lock, which is released. Woken by TIDE_WOKEN, it owns the
 * lock again, or else that is broken. UV_ENOMEM. */
int tide_condition_park(tide_runtime *rt, tide_task *task,
                        tide_condition *condition);
/* Whether the wait that ended was cancelled before it was notified. */
bool tide_condition_left(const tide_condition *condition,
                         const tide_task *task);
/* By the owner of the lock: wakes the first n. */
void tide_condition_notify(tide_runtime *rt, tide_condition *condition,
                           uint64_t n);

/* ---- barriers (barrier.c) ---- */

typedef struct tide_barrier {
  tide_waitq waiters;
  uint64_t parties;
  uint64_t waiting;
  bool broken; /* aborted, and not reset since */
} tide_barrier;
#define TIDE_BROKEN UINT64_MAX

void tide_barrier_init(tide_barrier *barrier, uint64_t parties);
/* True: all others wait, the next to come releases them. */
bool tide_barrier_full(const tide_barrier *barrier);
/* The last one comes: all have their places. UV_ENOMEM. */
int tide_barrier_release(tide_runtime *rt, tide_task *last,
                         tide_barrier *barrier);
int tide_barrier_park(tide_runtime *rt, tide_task *task, tide_barrier *barrier);
/* 0, 1, ... among those that were released together, or TIDE_BROKEN. */
uint64_t tide_barrier_place(const tide_task *task);
/* Those who wait find it broken; who comes later does not, or does. */
void tide_barrier_reset(tide_runtime *rt, tide_barrier *barrier);
void tide_barrier_abort(tide_runtime *rt, tide_barrier *barrier);

/* ---- queues (queue.c) ---- */

/* The counts of a queue, whose items are the bindings'. */
typedef struct tide_queue {
  tide_waitq getters, putters, joiners;
  uint64_t maxsize;    /* UINT64_MAX: unbounded */
  uint64_t stored;     /* items in it */
  uint64_t reserved;   /* of these, a getter's that has yet to take it */
  uint64_t places;     /* a putter's that has yet to fill it */
  uint64_t unfinished; /* items put that were not told done */
  bool shut;
  bool dropped; /* ... and what was in it has been dropped */
} tide_queue;

/* late: a putter that is woken has a place, which it will fill; else who admits
 * it fills its place at once. */
void tide_queue_init(tide_queue *queue, uint64_t maxsize, bool late);
/* The items that anybody may get. */
static inline uint64_t tide_queue_size(const tide_queue *queue) {
  return queue->stored - queue->reserved;
}
/* A put would have to wait: there is no place, or others wait. */
static inline bool tide_queue_full(const tide_queue *queue) {
  return queue->putters.head != NULL ||
         tide_queue_size(queue) + queue->places >= queue->maxsize;
}
/* The caller gets an item, if there is one; followed by take or unreserve. */
static inline bool tide_queue_reserve(tide_queue *queue) {
  bool any = tide_queue_size(queue) > 0;
  queue->reserved += any;
  return any;
}
/* Woken by TIDE_WOKEN, an item is reserved for the task. */
void tide_queue_park_get(tide_runtime *rt, tide_task *task, tide_queue *queue);
/* The reserved item is out; tide_queue_admit comes next. */
static inline void tide_queue_take(tide_queue *queue) {
  queue->stored--;
  queue->reserved--;
}
/* The reserved item could not be taken: it is the next getter's, or free. */
void tide_queue_unreserve(tide_runtime *rt, tide_queue *queue);
/* The caller, who saw that it is not full, gets a place: fill or unclaim. */
static inline void tide_queue_claim(tide_queue *queue) {
  queue->places++;
}
/* Woken by TIDE_WOKEN, the task was admitted. */
void tide_queue_park_put(tide_runtime *rt, tide_task *task, tide_queue *queue);
/* An item is in the place. */
void tide_queue_fill(tide_runtime *rt, tide_queue *queue);
/* The place was not filled: it is the next putter's. */
void tide_queue_unclaim(tide_runtime *rt, tide_queue *queue);
/* Gives a place to the first putter, if both are there; wakes and returns it.
 */
tide_task *tide_queue_admit(tide_runtime *rt, tide_queue *queue);
/* One item is done; false: none is unfinished. */
bool tide_queue_done(tide_runtime *rt, tide_queue *queue);
void tide_queue_park_join(tide_runtime *rt, tide_task *task, tide_queue *queue);
/* drop: free items leave it, unfinished; the reserved ones stay. Who waits is
 * woken by TIDE_REFUSED. */
void tide_queue_shut(tide_runtime *rt, tide_queue *queue, bool drop);

#pragma GCC visibility pop

#endif

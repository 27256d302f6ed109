/* internal.h: structs and functions that the files of runtime/ share. */
#ifndef TIDE_INTERNAL_H
#define TIDE_INTERNAL_H

#include "sync.h"

#pragma GCC visibility push(hidden)

#ifdef __GNUC__
#define TIDE_NOINLINE __attribute__((noinline))
#else
#define TIDE_NOINLINE
#endif

#define CONTAINER(ptr, type, member) \
  ((type *)((char *)(ptr)-offsetof(type, member)))

/* ---- slabs: records are never moved and their memory stays a record's until
 * the runtime ends, so that a stale pointer can be told by what it reads. ----
 */

#define TIDE_SLAB 1024 /* records in a slab */

typedef struct tide_pool {
  char **slabs;
  size_t size;    /* of a record */
  uint32_t count; /* records ever handed out: slots 1..count */
  uint32_t room;  /* slabs that fit in `slabs` */
} tide_pool;

void tide__pool_init(tide_pool *pool, size_t size);
void tide__pool_free(tide_pool *pool);
/* A new zeroed record and its slot, or NULL. Free lists are the users'. */
void *tide__pool_grow(tide_pool *pool, uint32_t *slot);

static inline void *tide__pool_at(const tide_pool *pool, uint32_t slot) {
  slot--;
  return pool->slabs[slot / TIDE_SLAB] + (slot % TIDE_SLAB) * pool->size;
}

/* ---- timers ---- */

enum { TIMER_TASK, TIMER_SCOPE, TIMER_CALL, TIMER_STOP };

typedef struct tide_heapnode {
  uint64_t when;
  tide_timer *timer;
} tide_heapnode;

typedef struct tide_heap {
  tide_heapnode *nodes;
  uint32_t count, room;
  uint32_t order; /* of the timer set next */
} tide_heap;

typedef struct tide_list { /* singly linked through task->next */
  tide_task *head, *tail;
  uint32_t count;
} tide_list;

/* What few tasks need. Made when a second task awaits it, or a gather, at a
 * cancel and for locks and scopes; freed with the task. */
typedef struct tide_extra {
  tide_scope *own;    /* the scope that Task:cancel cancels */
  tide_join join;     /* who waits for its end */
  tide_link member;   /* of the group it is in, if `member.gather` */
  uint32_t cancels;   /* cancelling() */
  uint32_t swallowed; /* cancellations delivered since it was last free */
  uint64_t since;     /* when the first of them was */
  uint64_t culprit;   /* the scope whose cancel is on its way */
  uint64_t raised;    /* ... and was last raised in it */
  uint32_t again;     /* how often one was that it had caught */
  struct tide_extra *next_free;
  tide_lock *locks; /* those it owns and others wait for */
  uint64_t place;   /* what the barrier it last waited at gave it */
} tide_extra;

struct tide_runtime {
  tide_task *current;  /* runs now */
  tide_list ready;     /* runs in the next turn */
  tide_task *batch;    /* what is left of this turn */
  uint64_t switches;   /* resumes so far */
  uint64_t until;      /* a step ends then */
  bool watched;        /* no short cuts: see watch.c, probe.c */
  uint64_t batch_ends; /* how many switches it will have been then */
  const tide_hooks *hooks;
  uint32_t pace;    /* resumes between looks at the clock */
  uint64_t look_at; /* resumes at the next one, and at the last poll: */
  uint64_t polled;

  tide_heap heap;
  uint64_t polled_at;   /* on the real clock */
  uint64_t virtual_now; /* where virtual time stands */
  uint64_t offset;      /* of our clock to the machine's, after virtual time */
  bool is_virtual;

  bool running;  /* in step or run: not re-entrant */
  bool blocking; /* in run: may wait in libuv */
  bool in_turn;  /* the batch is this turn's */
  bool one_turn; /* a step without a budget */
  bool resumed;  /* the step has run a task */
  bool stop;
  bool draining; /* stop when these young tasks have ended: */
  uint64_t drain_last;
  uint32_t drain_left;
  uint32_t wakers;

  void *data;
  tide_task *main; /* whom a deadlock is told */
  tide_task *root;
  tide_extra *free_extras;
  tide_join *cancels, *cancels_tail; /* see tide__join_cancel */
  bool cancels_held;
  uint32_t mark;     /* of the last walk through what tasks stay for */
  uint32_t leavers;  /* parked tasks with TIDE_LEAVING */
  tide_waitq ticks;  /* wait for the host's next step */
  tide_waitq idlers; /* wait until all others are blocked */
  tide_wait sleeping, forever, turning; /* what such tasks wait for */

  tide_pool tasks, scopes, calls, groups;
  tide_task *free_tasks; /* with a coroutine: used first */
  tide_task *bare_tasks; /* without one */
  tide_scope *free_scopes;
  tide_group *free_groups;
  tide_call *free_calls;
  tide_call *calls_head, *calls_tail; /* run in the next turn */
  uint32_t ncalls;
  uint32_t calls_due; /* of these, in this turn; left over after a longjmp */

  uint32_t live;     /* unfinished tasks */
  uint32_t sleepers; /* of these, with a timer */
  uint64_t last_id;
  uint64_t young_mark; /* tasks with a greater id are young: */
  uint32_t young;      /* ... so many that have not ended */
  uint64_t *newest;    /* of each slab of tasks: the id last used there */
  uint64_t last_scope;
  uint64_t
      culprits; /* from 1: what scopes know of theirs since then is right */

  uint32_t swallow_times; /* limits of swallowing */
  double swallow_seconds;
  uint64_t seed;

  const tide_watcher *watcher;
  tide_task *probed;   /* testing: cancelled at its nth await */
  uint32_t probe_left; /* awaits of it */
  tide_probe_at probe_at;
  bool probe_hit, probe_armed;

  tide_timer stop_timer;
  uint64_t turns, spawned, polls, swallowed;

  uv_loop_t uv;
  uv_timer_t alarm;  /* ends a blocking poll at the first deadline */
  uv_async_t wakeup; /* ends a blocking poll from a signal or thread */
  uv_pid_t pid;
  tide_input *inputs;    /* that it reads */
  tide_signal *signals;  /* that it watches */
  tide_signal interrupt; /* SIGINT, if it is watched for a cancel: */
  bool interrupted;      /* ... has been made */
};

/* timer.c */
int tide__timer_set(tide_runtime *rt, tide_timer *timer, int kind,
                    uint64_t when);
void tide__timer_clear(tide_runtime *rt, tide_timer *timer);
void tide__timers_fire(tide_runtime *rt);
static inline bool tide__timers_due(const tide_runtime *rt) {
  return rt->heap.count > 0 && rt->heap.nodes[0].when <= tide_now(rt);
}

static inline void tide__list_push(tide_list *list, tide_task *task) {
  task->next = NULL;
  if (list->head == NULL)
    list->head = task;
  else
    list->tail->next = task;
  list->tail = task;
  list->count++;
}

/* task.c: made if there is none; NULL: no memory */
tide_extra *tide__task_extra(tide_runtime *rt, tide_task *task);
/* task->ends is 0, or with one of these in its lowest bits the address of what
 * few tasks need, of the only task that awaits it, or of the only link. */
enum { ENDS_EXTRA, ENDS_AWAITER, ENDS_LINK, ENDS_TAG = 3 };
static inline void *tide__ends(const tide_task *task, unsigned tag) {
  if ((task->ends & ENDS_TAG) != tag)
    return NULL;
  return (void *)(task->ends & ~(uintptr_t)ENDS_TAG);
}
static inline tide_extra *tide__extra(const tide_task *task) { /* or NULL */
  return tide__ends(task, ENDS_EXTRA);
}
static inline tide_task *tide__awaiter(const tide_task *task) { /* or NULL */
  return tide__ends(task, ENDS_AWAITER);
}
static inline tide_link *tide__only_link(const tide_task *task) { /* or NULL */
  return tide__ends(task, ENDS_LINK);
}
/* Of a link that is pending: whose end it is; NULL: a future's. */
static inline tide_task *tide__link_task(const tide_link *link) {
  return link->join != NULL ? link->join->task : link->task;
}
void tide__task_abort(tide_runtime *rt, tide_task *task, tide_status why);
void tide__task_mark(tide_runtime *rt, tide_task *task);
void tide__waits_init(tide_runtime *rt);

/* probe.c, of a task with TIDE_PROBED: at an await's entry; after it ran or was
 * woken; when it ended */
void tide__probe_enter(tide_runtime *rt, tide_task *task);
void tide__probe_parked(tide_runtime *rt, tide_task *task);
void tide__probe_end(tide_runtime *rt);

/* join.c: the awaiter of a task that had no other gets into its join */
void tide__join_adopt(tide_join *join, tide_task *awaiter);
void tide__awaiter_wake(tide_runtime *rt, tide_task *awaiter);
void tide__join_init(tide_join *join, tide_task *task);
void tide__join_end(tide_runtime *rt, tide_join *join, tide_end how);
void tide__join_link(tide_join *join, tide_link *link);
void tide__join_unlink(tide_link *link);
void tide__join_cancel(tide_runtime *rt, tide_join *join);
/* Between the two nothing is cancelled yet, so that lists stay as they are. */
bool tide__cancels_hold(tide_runtime *rt);
void tide__cancels_release(tide_runtime *rt, bool held);
/* A parked task is TIDE_LEAVING from here on, until it is woken; or not. */
void tide__stay(tide_runtime *rt, tide_task *task);
void tide__stay_no_more(tide_runtime *rt, tide_task *task);
/* Whether `other` cannot go on before `task` has ended, because each stays for
 * the next: were `task` to stay for it, that would close a ring. */
bool tide__stays_for(tide_runtime *rt, tide_task *other, const tide_task *task);
/* The task has parked at its group's edge: where that closes rings, one in each
 * that stays for what it cancelled need not. */
void tide__rings_break(tide_runtime *rt, tide_task *task);

/* watch.c: of a task with TIDE_PROBED or TIDE_WATCHED that was woken; of one
 * with TIDE_WATCHED around which a scope was cancelled */
void tide__watch_woken(tide_runtime *rt, tide_task *task);
void tide__watch_cancelled(tide_runtime *rt, tide_task *task);

/* young.c, before the pool of tasks grows */
bool tide__young_reserve(tide_runtime *rt);

/* gather.c */
/* What the parked task waits in for several ends; NULL: it does not. */
tide_gather *tide__gathering(const tide_task *task);
extern const tide_waitkind tide__group_kind; /* a host, at its group's edge */
void tide__gather_ended(tide_runtime *rt, tide_link *link, tide_end how);
/* It has cancelled what is pending; it need not stay for those that stay for
 * its waiter. */
void tide__gather_release(tide_runtime *rt, tide_gather *gather);

/* group.c */
void tide__group_ended(tide_runtime *rt, tide_gather *children, tide_end how);
void tide__group_leave(tide_runtime *rt, tide_group *group);
/* shuffle.c: with the seed that the runtime has */
void tide__shuffle(tide_runtime *rt, tide_list *list);

/* waitq.c */
void tide__waitq_push(tide_waitq *queue, tide_task *task); /* parked already */
void tide__waitq_remove(tide_waitq *queue, tide_task *task);
/* The first waiter, taken out and not woken yet; NULL: there is none. */
tide_task *tide__waitq_take(tide_runtime *rt, tide_waitq *queue);

/* lock.c: after a change of its owner or of who waits; in and out of its queue
 * for who is parked on `wait`; of all that the task of `extra` owns */
void tide__lock_track(tide_lock *lock);
void tide__lock_queue(tide_runtime *rt, tide_task *task, tide_lock *lock,
                      tide_wait *wait);
void tide__lock_unqueue(tide_task *task, tide_lock *lock);
void tide__locks_break(tide_runtime *rt, tide_extra *extra);

/* condition.c */
void tide__condition_break(tide_runtime *rt, tide_condition *condition);
/* Who has the lock that a task which is leaving a condition stays for. */
tide_task *tide__condition_holder(const tide_task *task);

/* scope.c */
int tide__scope_own(tide_runtime *rt, tide_task *task);
void tide__scope_expire(tide_runtime *rt, tide_scope *scope);
void tide__scope_lift(tide_runtime *rt, tide_scope *scope);
/* The task's own scope comes to lie in `outer`, another task's; NULL: in none.
 */
void tide__scope_adopt(tide_runtime *rt, tide_task *task, tide_scope *outer);

/* call.c */
void tide__call_queue(tide_runtime *rt, tide_call *call);
void tide__calls_run(tide_runtime *rt);

/* loop.c: nothing is ready. True: nor is anything else to be done, and the next
 * turn has begun. */
bool tide__turn_alone(tide_runtime *rt);

/* poll.c: asks libuv, then delivers signals and fires timers */
void tide__poll_init(tide_runtime *rt);
bool tide__poll_is_due(tide_runtime *rt);
void tide__poll_now(tide_runtime *rt);
void tide__poll_blocking(tide_runtime *rt);

/* input.c: when the runtime ends */
void tide__inputs_end(tide_runtime *rt);

/* signal.c: in and out of the list that the handler walks; after each poll;
 * when the runtime ends */
int tide__signal_add(tide_signal *signal);
void tide__signal_remove(tide_signal *signal);
void tide__signals_deliver(tide_runtime *rt);
void tide__signals_end(tide_runtime *rt);

#pragma GCC visibility pop

#endif

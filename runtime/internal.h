/* internal.h: structs and functions that the files of runtime/ share. */
#ifndef TIDE_INTERNAL_H
#define TIDE_INTERNAL_H

#include "handle.h"
#include "pool.h"

#pragma GCC visibility push(hidden)

#ifdef __GNUC__
#define TIDE_NOINLINE __attribute__((noinline))
#else
#define TIDE_NOINLINE
#endif

#define CONTAINER(ptr, type, member) \
  ((type *)((char *)(ptr)-offsetof(type, member)))

/* ---- timers ---- */

enum { TIMER_TASK, TIMER_SCOPE, TIMER_CALL, TIMER_STOP };

typedef struct tideR_heapnode {
  uint64_t when;
  tideR_timer *timer;
} tideR_heapnode;

typedef struct tideR_heap {
  tideR_heapnode *nodes;
  uint32_t count, room;
  uint32_t order; /* of the timer set next */
} tideR_heap;

/* Goes on from `base`, which was at `since` on the machine's clock, or at
 * `origin` on a host's. */
typedef struct tideR_clock {
  bool is_plain;   /* the machine's, as fast as it goes: */
  bool is_virtual; /* ... or it stands at `last` */
  uint64_t offset; /* of the plain one to the machine's */
  double speed;
  double (*source)(void *ud); /* the host's, in seconds, or NULL */
  void *ud;
  double seen; /* what it last told */
  double origin;
  uint64_t since, base;
  uint64_t last; /* what we last told, if it is not plain */
} tideR_clock;

typedef struct tideR_list { /* singly linked through task->next */
  tideR_task *head, *tail;
  uint32_t count;
} tideR_list;

/* What few tasks need. Made when a second task awaits it, or a gather, at a
 * cancel and for locks and scopes; freed with the task. */
typedef struct tideR_extra {
  tideR_scope *own;   /* the scope that Task:cancel cancels */
  tideR_join join;    /* who waits for its end */
  tideR_link member;  /* of the group it is in, if `member.gather` */
  uint32_t cancels;   /* cancelling() */
  uint32_t swallowed; /* cancellations delivered since it was last free */
  uint64_t since;     /* when the first of them was */
  uint64_t culprit;   /* the scope whose cancel is on its way */
  uint64_t raised;    /* ... and was last raised in it */
  uint32_t again;     /* how often one was that it had caught */
  struct tideR_extra *next_free;
  tideR_lock *locks; /* those it owns and others wait for */
  uint64_t place;    /* what the barrier it last waited at gave it */
} tideR_extra;

typedef struct tideR_lookups { /* see dns.c */
  tideR_lookup *head, **end;
  unsigned count;
} tideR_lookups;

typedef struct tideR_fslist {   /* see fs.c */
  struct tideR_fs *head, **end; /* in line */
  struct tideR_fs *all;
  unsigned running, limit;
  bool ended; /* nothing is begun any more */
} tideR_fslist;

struct tideR_runtime {
  tideR_task *current; /* runs now */
  tideR_list ready;    /* runs in the next turn */
  tideR_task *batch;   /* what is left of this turn */
  uint64_t switches;   /* resumes so far */
  uint64_t until;      /* a step ends then */
  bool watched;        /* no short cuts: see watch.c, probe.c */
  bool announces;      /* outside of a step: see announce.c */
  uint64_t batch_ends; /* how many switches it will have been then */
  const tideR_hooks *hooks;
  uint32_t pace;    /* resumes between looks at the clock */
  uint64_t look_at; /* resumes at the next one, and at the last poll: */
  uint64_t polled;

  tideR_heap heap;
  tideR_clock clock;
  uint64_t polled_at; /* on the real clock */

  void (*told)(tideR_runtime *rt); /* see tideR_loop_announce */
  uint64_t announced; /* the deadline that the host knows of, or none */
  bool is_asked;      /* somebody is to be told */

  bool running;  /* in step or run: not re-entrant */
  bool blocking; /* in run: may wait in libuv */
  bool in_turn;  /* the batch is this turn's */
  bool one_turn; /* a step without a budget */
  bool resumed;  /* the step has run a task */
  bool stop;
  bool leaves;   /* nothing more runs: it is to be freed */
  bool draining; /* stop when these young tasks have ended: */
  uint64_t drain_last;
  uint32_t drain_left;
  uint32_t wakers;

  void *data;
  tideR_task *main; /* whom a deadlock is told */
  tideR_task *root;
  tideR_extra *free_extras;
  tideR_join *cancels, *cancels_tail; /* see tideR__join_cancel */
  bool cancels_held;
  uint32_t mark;      /* of the last walk through what tasks stay for */
  uint32_t leavers;   /* parked tasks with TIDE_LEAVING */
  tideR_waitq ticks;  /* wait for the host's next step */
  tideR_waitq idlers; /* wait until all others are blocked */
  tideR_wait sleeping, forever, turning; /* what such tasks wait for */

  tideR_pool tasks, scopes, calls, groups;
  tideR_task *free_tasks; /* with a coroutine: used first */
  tideR_task *bare_tasks; /* without one */
  tideR_scope *free_scopes;
  tideR_group *free_groups;
  tideR_call *free_calls;
  tideR_call chores;                   /* the bindings', always to be had */
  tideR_call *calls_head, *calls_tail; /* run in the next turn */
  uint32_t ncalls;
  uint32_t calls_due; /* of these, in this turn; left over after a longjmp */

  struct tideR_mailbox *mailbox;  /* NULL: there was no remote yet */
  tideR_post *posts, *posts_tail; /* taken over from it */
  tideR_post *posting;            /* the one that runs */
  tideR_call delivery;            /* theirs: queued while there are some */
  void (*posted)(void *ud);       /* see tideR_remote_on_post */
  void *posted_ud;

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

  const tideR_watcher *watcher;
  tideR_task *probed;  /* testing: cancelled at its nth await */
  uint32_t probe_left; /* awaits of it */
  tideR_probe_at probe_at;
  bool probe_hit, probe_armed;

  tideR_timer stop_timer;
  uint64_t turns, spawned, polls, swallowed;

  uv_loop_t *uv; /* a host's, or `own` */
  uv_loop_t own;
  bool is_borrowed;
  bool is_ending;   /* freed when the last of our handles has closed: */
  uint32_t handles; /* on a host's loop, so many are there */
  void (*freed)(void *ud);
  void *freed_ud;
  uv_timer_t alarm;     /* ends a poll at the first deadline */
  uv_async_t wakeup;    /* ends a poll from a signal or thread */
  atomic_bool sent;     /* ... has been asked to, and is to be polled */
  uv_prepare_t prepare; /* these are for a host's loop only */
  uv_check_t check;
  uv_idle_t idle;
  uv_pid_t pid;
  bool is_mended; /* in another process than that: see tideR__loop_mend */
  tideR_handle *open, *shut;          /* see handle.c */
  struct tideR_chunk *chunk, *chunks; /* where reading goes; empty ones */
  unsigned chunks_kept;
  struct tideR_descriptors *descriptors; /* see descriptor.h; or NULL */
  int accept_trouble;                    /* see tideR_server_trouble */
  tideR_signal *signals;                 /* that it watches */
  tideR_work *works;                     /* under way */
  tideR_lookups asked;                   /* lookups that threads are at */
  tideR_lookups asking;                  /* ... and those that wait for one */
  tideR_fslist files;                    /* operations of the file system */
  struct tideR_process *due;             /* killed, and not seen to end yet */
  uint64_t watch_time;    /* changes that came then, in watchdir.c: */
  uint32_t watch_events;  /* ... so many */
  tideR_signal interrupt; /* SIGINT, if it is watched for a cancel: */
  bool interrupted;       /* ... has been made */

  atomic_int interrupt_heard; /* listeners that have SIGINT instead */
  tideR_stream *stdio[3]; /* standard input, output and error, once asked for */
};

/* timer.c */
int tideR__timers_init(tideR_runtime *rt);
int tideR__timer_set(tideR_runtime *rt, tideR_timer *timer, int kind,
                     uint64_t when);
void tideR__timer_clear(tideR_runtime *rt, tideR_timer *timer);
void tideR__timers_fire(tideR_runtime *rt);
static inline bool tideR__timers_due(tideR_runtime *rt) {
  return rt->heap.count > 0 && rt->heap.nodes[0].when <= tideR_now(rt);
}
/* The stop timer of a drain alone is nothing that could wake a task. */
static inline bool tideR__has_timers(const tideR_runtime *rt) {
  return rt->heap.count > (rt->stop_timer.index != 0 ? 1u : 0u);
}

/* clock.c */
void tideR__clock_init(tideR_runtime *rt);
/* Virtual time goes on to `when`. */
void tideR__clock_jump(tideR_runtime *rt, uint64_t when);
/* Nanoseconds of real time until `when`; TIDE_NEVER: the clock stands. */
uint64_t tideR__clock_until(tideR_runtime *rt, uint64_t when);
/* Milliseconds that a poll may last, as the first deadline says: there is one.
 */
uint64_t tideR__clock_patience(tideR_runtime *rt);

/* announce.c: whether a step has something to do now, but for timers; the step
 * is over, or the host has looked; something is due of which the host does not
 * know: only called while rt->announces */
bool tideR__is_due(const tideR_runtime *rt);
void tideR__announce_again(tideR_runtime *rt);
void tideR__announce(tideR_runtime *rt);
/* From any thread or signal handler, until the runtime is freed: ends a poll,
 * and makes the descriptor readable until the next. */
void tideR__wakeup(tideR_runtime *rt);

static inline void tideR__list_push(tideR_list *list, tideR_task *task) {
  task->next = NULL;
  if (list->head == NULL)
    list->head = task;
  else
    list->tail->next = task;
  list->tail = task;
  list->count++;
}

/* task.c: made if there is none; NULL: no memory */
tideR_extra *tideR__task_extra(tideR_runtime *rt, tideR_task *task);
/* task->ends is 0, or with one of these in its lowest bits the address of what
 * few tasks need, of the only task that awaits it, or of the only link. */
enum { ENDS_EXTRA, ENDS_AWAITER, ENDS_LINK, ENDS_TAG = 3 };
static inline void *tideR__ends(const tideR_task *task, unsigned tag) {
  if ((task->ends & ENDS_TAG) != tag)
    return NULL;
  return (void *)(task->ends & ~(uintptr_t)ENDS_TAG);
}
static inline tideR_extra *tideR__extra(const tideR_task *task) { /* or NULL */
  return tideR__ends(task, ENDS_EXTRA);
}
static inline tideR_task *tideR__awaiter(const tideR_task *task) { /* or NULL */
  return tideR__ends(task, ENDS_AWAITER);
}
static inline tideR_link *tideR__only_link(
    const tideR_task *task) { /* or NULL */
  return tideR__ends(task, ENDS_LINK);
}
/* Of a link that is pending: whose end it is; NULL: a future's. */
static inline tideR_task *tideR__link_task(const tideR_link *link) {
  return link->join != NULL ? link->join->task : link->task;
}
void tideR__task_abort(tideR_runtime *rt, tideR_task *task, tideR_status why);
void tideR__task_mark(tideR_runtime *rt, tideR_task *task);
void tideR__waits_init(tideR_runtime *rt);

/* probe.c, of a task with TIDE_PROBED: at an await's entry; after it ran or was
 * woken; when it ended */
void tideR__probe_enter(tideR_runtime *rt, tideR_task *task);
void tideR__probe_parked(tideR_runtime *rt, tideR_task *task);
void tideR__probe_end(tideR_runtime *rt);

/* join.c: the awaiter of a task that had no other gets into its join */
void tideR__join_adopt(tideR_join *join, tideR_task *awaiter);
void tideR__awaiter_wake(tideR_runtime *rt, tideR_task *awaiter);
void tideR__join_init(tideR_join *join, tideR_task *task);
void tideR__join_end(tideR_runtime *rt, tideR_join *join, tideR_end how);
void tideR__join_link(tideR_join *join, tideR_link *link);
void tideR__join_unlink(tideR_link *link);
void tideR__join_cancel(tideR_runtime *rt, tideR_join *join);
/* Between the two nothing is cancelled yet, so that lists stay as they are. */
bool tideR__cancels_hold(tideR_runtime *rt);
void tideR__cancels_release(tideR_runtime *rt, bool held);
/* A parked task is TIDE_LEAVING from here on, until it is woken; or not. */
void tideR__stay(tideR_runtime *rt, tideR_task *task);
void tideR__stay_no_more(tideR_runtime *rt, tideR_task *task);
/* Whether `other` cannot go on before `task` has ended, because each stays for
 * the next: were `task` to stay for it, that would close a ring. */
bool tideR__stays_for(tideR_runtime *rt, tideR_task *other,
                      const tideR_task *task);
/* The task has parked at its group's edge: where that closes rings, one in each
 * that stays for what it cancelled need not. */
void tideR__rings_break(tideR_runtime *rt, tideR_task *task);

/* watch.c: of a task with TIDE_PROBED or TIDE_WATCHED that was woken; of one
 * with TIDE_WATCHED around which a scope was cancelled */
void tideR__watch_woken(tideR_runtime *rt, tideR_task *task);
void tideR__watch_cancelled(tideR_runtime *rt, tideR_task *task);

/* young.c, before the pool of tasks grows */
bool tideR__young_reserve(tideR_runtime *rt);

/* gather.c */
/* What the parked task waits in for several ends; NULL: it does not. */
tideR_gather *tideR__gathering(const tideR_task *task);
extern const tideR_waitkind tideR__group_kind; /* a host, at its group's edge */
void tideR__gather_ended(tideR_runtime *rt, tideR_link *link, tideR_end how);
/* It has cancelled what is pending; it need not stay for those that stay for
 * its waiter. */
void tideR__gather_release(tideR_runtime *rt, tideR_gather *gather);

/* group.c */
void tideR__group_ended(tideR_runtime *rt, tideR_gather *children,
                        tideR_end how);
void tideR__group_leave(tideR_runtime *rt, tideR_group *group);
/* shuffle.c: with the seed that the runtime has */
void tideR__shuffle(tideR_runtime *rt, tideR_list *list);

/* waitq.c */
void tideR__waitq_push(tideR_waitq *queue,
                       tideR_task *task); /* parked already */
void tideR__waitq_remove(tideR_waitq *queue, tideR_task *task);
/* The first waiter, taken out and not woken yet; NULL: there is none. */
tideR_task *tideR__waitq_take(tideR_runtime *rt, tideR_waitq *queue);

/* lock.c: after a change of its owner or of who waits; in and out of its queue
 * for who is parked on `wait`; of all that the task of `extra` owns */
void tideR__lock_track(tideR_lock *lock);
void tideR__lock_queue(tideR_runtime *rt, tideR_task *task, tideR_lock *lock,
                       tideR_wait *wait);
void tideR__lock_unqueue(tideR_task *task, tideR_lock *lock);
void tideR__locks_break(tideR_runtime *rt, tideR_extra *extra);

/* condition.c */
void tideR__condition_break(tideR_runtime *rt, tideR_condition *condition);
/* Who has the lock that a task which is leaving a condition stays for. */
tideR_task *tideR__condition_holder(const tideR_task *task);

/* scope.c */
int tideR__scope_own(tideR_runtime *rt, tideR_task *task);
void tideR__scope_expire(tideR_runtime *rt, tideR_scope *scope);
void tideR__scope_lift(tideR_runtime *rt, tideR_scope *scope);
/* The task's own scope comes to lie in `outer`, another task's; NULL: in none.
 */
void tideR__scope_adopt(tideR_runtime *rt, tideR_task *task,
                        tideR_scope *outer);

/* call.c */
void tideR__call_queue(tideR_runtime *rt, tideR_call *call);
void tideR__calls_run(tideR_runtime *rt);

/* loop.c: nothing is ready. True: nor is anything else to be done, and the next
 * turn has begun. */
bool tideR__turn_alone(tideR_runtime *rt);

/* poll.c: asks libuv, unless the loop is a host's, then delivers signals, takes
 * posts and fires timers */
void tideR__poll_init(tideR_runtime *rt);
void tideR__poll_watch(tideR_runtime *rt, bool begins, bool blocking);
void tideR__poll_deliver(tideR_runtime *rt); /* what came with it */
bool tideR__poll_is_due(tideR_runtime *rt);
void tideR__poll_now(tideR_runtime *rt);
void tideR__poll_blocking(tideR_runtime *rt);

/* waker.c: how many there are, remotes too; one was made or dropped */
uint32_t tideR__wakers(const tideR_runtime *rt);
void tideR__wakers_changed(tideR_runtime *rt);

/* runtime.c: when the last handle has closed */
void tideR__runtime_release(tideR_runtime *rt);

/* borrowed.c: turns inside a host's loop, from now on, until the runtime ends;
 * its next iteration does not wait */
void tideR__borrowed_open(tideR_runtime *rt);
void tideR__borrowed_close(tideR_runtime *rt);
void tideR__borrowed_go_on(tideR_runtime *rt);
/* Around the life of every handle of ours, on whatever loop: the runtime's
 * records stay until the last has closed. */
void tideR__handle_opened(tideR_runtime *rt);
void tideR__handle_closed(tideR_runtime *rt);

/* remote.c: unreleased ones; whether something was posted since the last take;
 * takes it over, to be delivered; delivers, as a call; after a longjmp; when
 * the runtime ends */
uint32_t tideR__remotes_count(const tideR_runtime *rt);
bool tideR__posts_wait(const tideR_runtime *rt);
void tideR__posts_take(tideR_runtime *rt);
void tideR__posts_run(tideR_runtime *rt);
void tideR__posts_recover(tideR_runtime *rt);
void tideR__remotes_end(tideR_runtime *rt);

/* work.c: when the runtime ends */
void tideR__works_end(tideR_runtime *rt);

/* dns.c: when the runtime ends */
void tideR__lookups_end(tideR_runtime *rt);

/* fs.c: when the runtime ends */
void tideR__fs_end(tideR_runtime *rt);

/* stdio.c: when the runtime ends: what is unsent goes out, if it can. */
void tideR__stdio_end(tideR_runtime *rt);

/* terminal.c: those in raw mode are as they were; for a signal's handler */
void tideR__terminals_reset(void);

/* descriptor.c: whether a task waits for one; when the runtime ends; when libuv
 * is about to close a handle, whose descriptor may be waited for */
bool tideR__descriptors_active(const tideR_runtime *rt);
void tideR__descriptors_end(tideR_runtime *rt);
void tideR__descriptors_closing(tideR_runtime *rt, const uv_handle_t *handle);

/* handle.c: when the runtime ends, and when it is no more; whether something
 * may come of one; how many are open, or active */
void tideR__handles_end(tideR_runtime *rt);
/* runtime.c: before what is open is closed. */
void tideR__loop_mend(tideR_runtime *rt);
void tideR__handles_orphan(tideR_runtime *rt);
bool tideR__handles_active(const tideR_runtime *rt);
uint64_t tideR__handles_open(const tideR_runtime *rt);

/* process.c: after those */
void tideR__processes_end(tideR_runtime *rt);

/* buffer.c: where the next bytes can go, NULL: no memory; how many came there;
 * room for so many more in one piece, in memory of its own; bytes that are
 * there lie elsewhere now; nothing is there; the first n are taken */
typedef struct tideR_chunk tideR_chunk;
char *tideR__buffer_room(tideR_runtime *rt, tideR_buffer *buffer, size_t *size);
void tideR__buffer_filled(tideR_runtime *rt, tideR_buffer *buffer, size_t size,
                          size_t n);
bool tideR__buffer_reserve(tideR_runtime *rt, tideR_buffer *buffer,
                           size_t size);
bool tideR__buffer_append(tideR_runtime *rt, tideR_buffer *buffer,
                          const char *bytes, size_t n);
bool tideR__buffer_adopt(tideR_runtime *rt, tideR_buffer *buffer, char *own,
                         size_t room, size_t at, size_t n);
void tideR__buffer_leave(tideR_runtime *rt, tideR_buffer *buffer);
void tideR__buffer_clear(tideR_runtime *rt, tideR_buffer *buffer);
void tideR__buffer_take(tideR_runtime *rt, tideR_buffer *buffer, size_t n);
const char *tideR__find(const char *text, size_t length, const char *what,
                        size_t n);
void tideR__chunks_free(tideR_runtime *rt);
/* TIDE_DATAGRAM bytes of room until the callback that asks for it returns. */
#define TIDE_DATAGRAM 65536
char *tideR__chunk_scratch(tideR_runtime *rt);

/* writer.c: all but the first `skip` bytes */
void tideR__copy_bufs(char *to, const uv_buf_t *bufs, unsigned n, size_t skip);

/* reader.c, wire.c */
void tideR__reader_init(tideR_stream *stream);
void tideR__reader_closed(tideR_stream *stream);
bool tideR__wire_abort(tideR_runtime *rt, tideR_task *task, tideR_status why);
void tideR__ignore_sigpipe(void);

/* udp.c: whether it keeps the loop alive; an error, to be told once */
void tideR__udp_count_alive(tideR_udp *udp);
void tideR__udp_fail(tideR_udp *udp, int err);
/* udpsend.c: it closes; it is freed */
void tideR__udp_stop_sending(tideR_udp *udp);
void tideR__udp_forget_sendings(tideR_udp *udp);

/* What a host lets scripts do is to be asked here, before anything is opened or
 * begun: `what` is the operation, "connect" say. */
static inline int tideR__permit(tideR_runtime *rt, const char *what) {
  (void)rt;
  (void)what;
  return 0;
}

/* signal.c: in and out of the list that the handler walks; after each poll;
 * when the runtime ends */
int tideR__signal_add(tideR_signal *signal);
bool tideR__signal_remove(tideR_signal *signal); /* nobody took it */
void tideR__signals_deliver(tideR_runtime *rt);
void tideR__signals_end(tideR_runtime *rt);

#pragma GCC visibility pop

#endif

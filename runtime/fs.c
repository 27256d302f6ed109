/*
 * fs.c: an operation of the file system, from its beginning to its end.
 *
 * libuv's pool is one line for all: names, the work of programs, files. So few
 * of a runtime's operations are in it at a time, and two threads are left for
 * the others even where a disk or a server of files does not answer. The rest
 * waits here, where it can leave without ever having begun.
 *
 * One that a thread is at cannot be stopped, at best it is asked to: a cancel
 * waits for its end. If it did what it was to do, that is delivered, and the
 * cancel comes with the next await. Should there be nobody to deliver it to,
 * what it holds is given back, by a thread.
 */
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "internal.h"

#define THREADS 4 /* that libuv has, unless it is told otherwise */
#define OTHERS 2  /* of these are for names, and the work of programs */

/* As many of the pool's threads as files may have. */
static unsigned at_a_time(void) {
  const char *text = getenv("UV_THREADPOOL_SIZE");
  long threads = text != NULL ? strtol(text, NULL, 10) : THREADS;
  if (threads > 1024)
    threads = 1024; /* libuv has no more */
  return threads > OTHERS ? (unsigned)threads - OTHERS : 1;
}

/* ---- lists ---- */

static void push(tideR_runtime *rt, tideR_fs *op, bool first) {
  tideR_fslist *list = &rt->files;
  tideR_fs **link = first || list->head == NULL ? &list->head : list->end;
  op->phase = FS_QUEUED;
  op->next = *link;
  op->link = link;
  *link = op;
  if (op->next != NULL)
    op->next->link = &op->next;
  else
    list->end = &op->next;
}

static void take_out(tideR_fslist *list, tideR_fs *op) {
  *op->link = op->next;
  if (op->next != NULL)
    op->next->link = op->link;
  else
    list->end = op->link;
}

static void list(tideR_runtime *rt, tideR_fs *op) {
  op->rt = rt;
  op->sibling = rt->files.all;
  op->from_here = &rt->files.all;
  if (op->sibling != NULL)
    op->sibling->from_here = &op->sibling;
  rt->files.all = op;
}

static void unlist(tideR_fs *op) {
  *op->from_here = op->sibling;
  if (op->sibling != NULL)
    op->sibling->from_here = op->from_here;
  op->rt = NULL;
}

/* ---- gates ---- */

static void wait_at(tideR_fsgate *gate, tideR_fs *op) {
  op->phase = FS_GATED;
  op->next = NULL;
  if (gate->head != NULL)
    gate->end->next = op;
  else
    gate->head = op;
  gate->end = op;
}

static void leave_gate(tideR_fs *op) {
  tideR_fsgate *gate = op->gate;
  tideR_fs *before = NULL, *it;
  op->gate = NULL;
  if (gate == NULL) /* it is no more */
    return;
  it = gate->head;
  while (it != op) {
    before = it;
    it = it->next;
  }
  if (before != NULL)
    before->next = op->next;
  else
    gate->head = op->next;
  if (gate->end == op)
    gate->end = before;
}

static void let_through(tideR_runtime *rt, tideR_fsgate *gate, tideR_fs *op) {
  gate->running = op;
  op->gate = gate;
  gate->begins(gate, op);
  push(rt, op, false);
}

/* It is over, or will not be: the next one's turn. */
static void pass_gate(tideR_runtime *rt, tideR_fs *op) {
  tideR_fsgate *gate = op->gate;
  tideR_fs *next;
  op->gate = NULL;
  if (gate == NULL || gate->running != op)
    return;
  gate->running = NULL;
  gate->ended(gate, op);
  next = gate->head;
  if (next == NULL || gate->running != NULL)
    return;
  leave_gate(next);
  let_through(rt, gate, next);
}

void tideR_fs_remove_gate(tideR_fsgate *gate) {
  if (gate->running != NULL)
    gate->running->gate = NULL;
  for (tideR_fs *it = gate->head; it != NULL; it = it->next)
    it->gate = NULL;
  gate->running = gate->head = NULL;
}

/* ---- life ---- */

static bool abort_fs(tideR_runtime *rt, tideR_task *task, tideR_status why);
static void forfeit_fs(tideR_runtime *rt, tideR_task *task);
static void start_next(tideR_runtime *rt);

/* What is left of the wait of a task whose operation may go. */
static bool abort_nothing(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  (void)rt;
  (void)task;
  (void)why;
  return true;
}

static const tideR_waitkind nothing_kind = {"fs", abort_nothing, NULL};
static tideR_wait nothing = {&nothing_kind};

static void let_go(tideR_task *task, tideR_fs *op) {
  if (task != NULL)
    task->wait = &nothing;
  tideR_fs_release(op);
}

void tideR_fs_renew(tideR_fs *op, const tideR_fskind *kind) {
  op->kind = kind;
  op->waits = (tideR_waitkind){kind->name, abort_fs, forfeit_fs};
  tideR_waitq_init(&op->waiter, &op->waits);
  op->phase = FS_NEW;
  op->begun = op->is_awaits = false;
  op->result = 0;
  op->length = 0;
  atomic_store(&op->stop, false);
}

static char *copy(char **end, const char *text, size_t length) {
  char *at = *end;
  if (text == NULL)
    return NULL;
  memcpy(at, text, length);
  at[length] = '\0';
  *end += length + 1;
  return at;
}

tideR_fs *tideR_fs_new(tideR_runtime *rt, const tideR_fskind *kind,
                       const char *path, size_t length, const char *to,
                       size_t to_length) {
  tideR_fs *op = calloc(1, sizeof *op + length + to_length + 2);
  char *end;
  if (op == NULL)
    return NULL;
  end = op->text;
  op->path = copy(&end, path, length);
  op->to = copy(&end, to, to_length);
  op->fd = -1;
  if ((path != NULL && memchr(path, '\0', length) != NULL) ||
      (to != NULL && memchr(to, '\0', to_length) != NULL))
    op->refused = UV_EINVAL;
  list(rt, op);
  tideR_fs_renew(op, kind);
  return op;
}

static void destroy(tideR_fs *op) {
  if (op->rt != NULL)
    unlist(op);
  free(op->bytes);
  free(op);
}

/* It has no user, and no thread. A thread gives back what it holds; where there
 * is none any more, that is done here and now. */
static void dispose(tideR_fs *op) {
  tideR_runtime *rt = op->rt;
  if (op->holds && rt != NULL && !tideR_loop_forked(rt)) {
    op->undoing = true;
    push(rt, op, true);
    start_next(rt);
    return;
  }
  if (op->holds && rt == NULL)
    op->kind->undo(op);
  destroy(op);
}

void tideR_fs_take(tideR_fs *op) {
  op->holds = false;
}

/* An object's: it was closed by another task than the one that waits. */
static void wake_without(tideR_runtime *rt, tideR_fs *op) {
  tideR_task *task = tideR__waitq_take(rt, &op->waiter);
  if (task == NULL)
    return;
  task->wait = &nothing;
  tideR_wake(rt, task, TIDE_WOKEN);
}

void tideR_fs_release(tideR_fs *op) {
  tideR_runtime *rt = op->rt;
  atomic_store(&op->stop, true);
  op->released = true;
  if (rt != NULL)
    wake_without(rt, op);
  if (op->phase == FS_NEW) {
    op->gate = NULL;
  } else if (op->phase == FS_GATED) {
    leave_gate(op);
    op->phase = FS_OVER;
  } else if (op->phase == FS_QUEUED) {
    take_out(&rt->files, op);
    if (op->begun) { /* it is to clean up behind itself, and soon */
      push(rt, op, true);
      return;
    }
    op->phase = FS_OVER;
    pass_gate(rt, op);
    start_next(rt);
  }
  if (op->phase != FS_RUNNING)
    dispose(op);
}

/* ---- running ---- */

static void run(tideR_work *work) {
  tideR_fs *op = CONTAINER(work, tideR_fs, work);
  if (op->undoing) {
    op->kind->undo(op);
    op->holds = false;
    op->result = UV_ECANCELED;
  } else {
    op->result = op->kind->run(op);
  }
}

/* It is over. Who waits is told; one that stopped on its way has nothing to
 * tell but that. */
static void decide(tideR_runtime *rt, tideR_fs *op) {
  bool stopped = op->result == UV_ECANCELED && atomic_load(&op->stop);
  bool is_awaits = op->is_awaits;
  tideR_task *task;
  op->phase = FS_OVER;
  pass_gate(rt, op);
  if (op->released) {
    dispose(op);
    return;
  }
  task = tideR__waitq_take(rt, &op->waiter);
  if (task != NULL && !is_awaits)
    task->wait = &nothing; /* the operation may go before that one's turn */
  if (task != NULL)
    tideR_wake(rt, task, stopped ? TIDE_CANCELLED : TIDE_WOKEN);
  if (is_awaits && (task == NULL || stopped))
    let_go(task, op);
}

/* The runtime is no more: nothing waits, there is no line to go back to. In the
 * child of a fork it is the parent's thread that was at it. */
static void end_alone(tideR_fs *op, int status) {
  tideR_runtime *keeper = op->work.keeper;
  bool forked = tideR_loop_forked(keeper);
  bool ran = status == 0;
  op->phase = FS_OVER;
  if (forked) {
    op->holds = false;
    op->result = UV_ECANCELED;
    if (op->released && !keeper->is_borrowed)
      destroy(op); /* a host may run its loop: then libuv has it yet */
    return;
  }
  if (op->undoing && !ran)
    op->kind->undo(op);
  else if (!op->undoing && (ran ? op->result == TIDE_FS_AGAIN : op->begun))
    op->result = op->kind->run(op); /* cleans up */
  else if (!ran)
    op->result = status;
  op->holds = op->holds && !op->undoing;
  if (op->released)
    dispose(op);
}

static void after(tideR_work *work, int status) {
  tideR_fs *op = CONTAINER(work, tideR_fs, work);
  tideR_runtime *rt = work->rt;
  if (rt == NULL) {
    end_alone(op, status);
    return;
  }
  rt->files.running--;
  if (status < 0)
    op->result = status;
  if (op->result == TIDE_FS_AGAIN) {
    op->begun = true;
    push(rt, op, atomic_load(&op->stop));
  } else {
    decide(rt, op);
  }
  start_next(rt);
}

static int start(tideR_runtime *rt, tideR_fs *op) {
  int err;
  op->work.work = run;
  op->work.after = after;
  err = tideR_work_start(rt, &op->work);
  if (err < 0)
    return err;
  op->phase = FS_RUNNING;
  rt->files.running++;
  return 0;
}

static void start_next(tideR_runtime *rt) {
  tideR_fslist *files = &rt->files;
  if (files->limit == 0)
    files->limit = at_a_time();
  while (files->head != NULL && files->running < files->limit) {
    tideR_fs *op = files->head;
    int err;
    take_out(files, op);
    err = start(rt, op);
    if (err < 0) {
      op->result = err;
      op->holds = op->holds && !op->undoing;
      decide(rt, op);
    }
  }
}

bool tideR_fs_begin(tideR_runtime *rt, tideR_fs *op) {
  int err = op->refused;
  if (err == 0)
    err = tideR__permit(rt, op->kind->name);
  if (err == 0 && tideR_loop_forked(rt)) /* it drops its parent's loop */
    err = UV_ECANCELED;
  if (err < 0) {
    op->gate = NULL;
    op->result = err;
    op->phase = FS_OVER;
    return true;
  }
  if (op->now != NULL && op->now(op)) {
    op->phase = FS_OVER;
    return true;
  }
  if (op->gate != NULL && op->gate->running != NULL) {
    wait_at(op->gate, op);
    return false;
  }
  if (op->gate != NULL)
    let_through(rt, op->gate, op);
  else
    push(rt, op, false);
  start_next(rt);
  return op->phase == FS_OVER;
}

/* ---- waiting ---- */

bool tideR_fs_busy(const tideR_fs *op) {
  return op->phase == FS_GATED || op->phase == FS_QUEUED ||
         op->phase == FS_RUNNING;
}

void tideR_fs_park(tideR_runtime *rt, tideR_task *task, tideR_fs *op,
                   bool lend) {
  op->is_awaits = lend;
  tideR_waitq_park(rt, task, &op->waiter);
}

tideR_fs *tideR_fs_of(const tideR_task *task) {
  return CONTAINER(task->wait, tideR_fs, waiter.wait);
}

tideR_wait *tideR_fs_promise(tideR_task *task, tideR_fs *op, bool lend) {
  op->is_awaits = lend;
  return task->wait = &op->waiter.wait;
}

/* True: it will not run, or has left what it might find to itself. */
static bool leave(tideR_runtime *rt, tideR_fs *op) {
  if (op->phase == FS_GATED) {
    leave_gate(op);
    op->phase = FS_OVER;
    op->result = UV_ECANCELED;
    return true;
  }
  if (op->begun && op->phase == FS_QUEUED) {
    take_out(&rt->files, op);
    push(rt, op, true);
    return false;
  }
  if (op->phase == FS_QUEUED) {
    take_out(&rt->files, op);
    op->phase = FS_OVER;
    op->result = UV_ECANCELED;
    pass_gate(rt, op);
    start_next(rt);
    return true;
  }
  return op->is_awaits && !op->begun && !tideR_loop_forked(rt) &&
         tideR_work_cancel(&op->work);
}

static bool abort_fs(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  tideR_fs *op = tideR_fs_of(task);
  if (why == TIDE_CANCELLED) {
    atomic_store(&op->stop, true);
    if (!leave(rt, op))
      return false;
  }
  tideR_waitq_abort(rt, task, why);
  if (op->is_awaits)
    let_go(task, op);
  return true;
}

/* Who was to have it died. */
static void forfeit_fs(tideR_runtime *rt, tideR_task *task) {
  tideR_fs *op = tideR_fs_of(task);
  (void)rt;
  if (op->is_awaits)
    let_go(task, op);
}

void tideR_fs_own(tideR_task *task, tideR_fs *op) {
  task->wait = &nothing;
  op->is_awaits = false;
}

/* ---- the end ---- */

static void end(tideR_runtime *rt, tideR_fs *op) {
  bool is_awaits = op->is_awaits, forked = tideR_loop_forked(rt);
  tideR_waitq_init(&op->waiter, &op->waits);
  atomic_store(&op->stop, true);
  op->released = op->released || is_awaits;
  if (op->gate != NULL)
    op->gate->running = op->gate->head = NULL;
  op->gate = NULL;
  if (op->phase == FS_GATED) {
    op->phase = FS_OVER;
    op->result = UV_ECANCELED;
  } else if (op->phase == FS_QUEUED) {
    take_out(&rt->files, op);
    if (op->begun && !op->undoing && !forked)
      op->result = op->kind->run(op); /* cleans up */
    else if (!op->undoing)
      op->result = UV_ECANCELED;
    op->phase = FS_OVER;
  }
  unlist(op);
  if (op->phase == FS_RUNNING)
    return;
  op->holds = op->holds && !forked;
  if (op->released)
    dispose(op);
}

/* Before that of works: those that run are left to that. */
void tideR__fs_end(tideR_runtime *rt) {
  rt->files.ended = true;
  while (rt->files.all != NULL)
    end(rt, rt->files.all);
}

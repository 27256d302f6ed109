/* test_waitq.c: queues of waiters, what they are granted, and what aborts. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

/* ---- the queue ---- */

TEST(waiters_are_woken_in_the_order_of_their_coming) {
  tideR_waitq queue = new_queue();
  CHECK(tideR_waitq_wake(rt, &queue) == NULL);
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  actor *b = spawn_arg(rt, waiter, &queue, "b");
  step(rt);
  CHECK(tideR_waitq_wake(rt, &queue) == a->task);
  CHECK(tideR_waitq_wake(rt, &queue) == b->task);
  CHECK(tideR_waitq_wake(rt, &queue) == NULL);
  run(rt);
  CHECK_SAID("a b");
}

TEST(wake_all_empties_the_queue) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, waiter, &queue, "a");
  spawn_arg(rt, waiter, &queue, "b");
  spawn_arg(rt, waiter, &queue, "c");
  step(rt);
  tideR_waitq_wake_all(rt, &queue);
  CHECK(queue.head == NULL && queue.tail == NULL);
  run(rt);
  CHECK_SAID("a b c");
}

TEST(a_waiter_leaves_from_anywhere) {
  static const char *const left[] = {"a! b c d", "b! a c d", "c! a b d",
                                     "d! a b c"};
  for (int gone = 0; gone < 4; gone++) {
    tideR_waitq queue = new_queue();
    actor *waiters[4];
    for (int i = 0; i < 4; i++)
      waiters[i] = spawn_arg(rt, waiter, &queue, &"a\0b\0c\0d"[2 * i]);
    step(rt);
    cancel(waiters[gone]);
    tideR_waitq_wake_all(rt, &queue);
    run(rt);
    CHECK_SAID(left[gone]);
  }
}

TEST(a_queue_survives_many_who_leave) {
  enum { MANY = 5000 };
  static actor *waiters[MANY];
  tideR_waitq queue = new_queue();
  int woken = 0;
  for (int i = 0; i < MANY; i++)
    waiters[i] = spawn_arg(rt, waiter, &queue, "");
  step(rt);
  for (int i = MANY - 1; i >= 0; i--)
    if (i % 3 != 0)
      cancel(waiters[i]);
  for (tideR_task *task; (task = tideR_waitq_wake(rt, &queue)) != NULL; woken++)
    CHECK(task == waiters[3 * woken]->task);
  CHECK_EQ(woken, (MANY + 2) / 3);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* ---- permits: what is granted is delivered, or passes on ---- */

typedef struct semaphore {
  tideR_waitq queue;
  int permits;
} semaphore;

static void release(tideR_runtime *rt, semaphore *sem) {
  if (tideR_waitq_wake(rt, &sem->queue) == NULL)
    sem->permits++;
}

static void forfeit_permit(tideR_runtime *rt, tideR_task *task) {
  release(rt, (semaphore *)task->wait);
}

static semaphore new_semaphore(void) {
  static const tideR_waitkind kind = {"acquire", tideR_waitq_abort,
                                      forfeit_permit};
  semaphore sem = {.permits = 0};
  tideR_waitq_init(&sem.queue, &kind);
  return sem;
}

static void acquirer(actor *me) {
  semaphore *sem = me->arg;
  BEGIN
  WAIT(&sem->queue);
  say("%s%s", me->name, me->raised ? "!" : "");
  TURN();
  END
}

TEST(a_grantee_that_is_cancelled_keeps_its_permit) {
  semaphore sem = new_semaphore();
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  release(rt, &sem);
  cancel(a);
  run(rt);
  CHECK_SAID("a");
  CHECK_EQ(sem.permits, 0);
}

TEST(a_grantee_that_is_given_up_passes_its_permit_on) {
  semaphore sem = new_semaphore();
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  actor *b = spawn_arg(rt, acquirer, &sem, "b");
  spawn_arg(rt, acquirer, &sem, "c");
  step(rt);
  release(rt, &sem);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK(b->done);
  CHECK_SAID("given up b");
  CHECK_EQ(sem.permits, 0);
}

TEST(the_permit_of_the_last_comes_back) {
  semaphore sem = new_semaphore();
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  actor *b = spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  release(rt, &sem);
  tideR_task_give_up(rt, a->task);
  tideR_task_give_up(rt, b->task); /* it waits: it was granted nothing */
  run(rt);
  CHECK_SAID("given up given up");
  CHECK_EQ(sem.permits, 1);
}

TEST(a_cancelled_waiter_forfeits_nothing) {
  semaphore sem = new_semaphore();
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  step(rt);
  cancel(a);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(sem.permits, 0);
}

TEST(a_permit_that_was_delivered_is_not_forfeited) {
  semaphore sem = new_semaphore();
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  step(rt);
  release(rt, &sem);
  step(rt); /* it has it, and gave up its turn since */
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(sem.permits, 0);
}

/* ---- waits that cannot be aborted ---- */

typedef struct operation {
  tideR_wait wait;
  int aborts, given_up;
} operation;

static bool refuse(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  operation *op = (operation *)task->wait;
  (void)rt;
  if (why == TIDE_CANCELLED)
    op->aborts++;
  else
    op->given_up++;
  return why != TIDE_CANCELLED;
}

static operation new_operation(void) {
  static const tideR_waitkind kind = {"operation", refuse, NULL};
  return (operation){.wait = {&kind}};
}

static void operate(actor *me) {
  operation *op = me->arg;
  BEGIN
  AWAIT(tideR_park(me->rt, me->task, &op->wait));
  say("%s", me->raised ? "cancelled" : "completed");
  SLEEP(1);
  say("%s", me->raised ? "cancelled" : "slept");
  END
}

TEST(a_cancel_waits_for_what_cannot_be_aborted) {
  operation op = new_operation();
  actor *a = spawn_arg(rt, operate, &op, "");
  step(rt);
  cancel(a);
  step(rt);
  CHECK_EQ(a->task->state, TIDE_TASK_PARKED);
  CHECK_SAID("");
  tideR_wake(rt, a->task, TIDE_WOKEN);
  run(rt);
  CHECK_SAID("completed cancelled");
}

TEST(abort_is_called_once_a_suspension) {
  operation op = new_operation();
  actor *a = spawn_arg(rt, operate, &op, "");
  tideR_scope *scope;
  CHECK_EQ(tideR_scope_enter(rt, a->task, TIDE_NEVER, true, &scope), 0);
  step(rt);
  tideR_scope_cancel(rt, scope);
  cancel(a);
  tideR_scope_shield(rt, scope, false);
  CHECK_EQ(op.aborts, 1);
  tideR_wake(rt, a->task, TIDE_WOKEN);
  run(rt);
  CHECK_EQ(op.aborts, 1);
}

TEST(a_cancel_that_was_lifted_meanwhile_is_not_delivered) {
  operation op = new_operation();
  actor *a = spawn_arg(rt, operate, &op, "");
  step(rt);
  cancel(a);
  CHECK_EQ(tideR_task_uncancel(rt, a->task), 0);
  tideR_wake(rt, a->task, TIDE_WOKEN);
  run(rt);
  CHECK_SAID("completed slept");
}

TEST(giving_up_is_not_refused) {
  operation op = new_operation();
  actor *a = spawn_arg(rt, operate, &op, "");
  step(rt);
  cancel(a);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(op.aborts, 1);
  CHECK_EQ(op.given_up, 1);
}

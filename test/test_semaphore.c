/* test_semaphore.c: semaphores and events. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

/* ---- semaphores ---- */

static tideR_semaphore new_semaphore(uint64_t value) {
  tideR_semaphore sem;
  tideR_semaphore_init(&sem, value);
  return sem;
}

/* Takes a permit, says so, and has another await after that. */
static void acquirer(actor *me) {
  tideR_semaphore *sem = me->arg;
  BEGIN
  if (!tideR_semaphore_try(sem))
    AWAIT(tideR_semaphore_park(me->rt, me->task, sem));
  say("%s%s", me->name, me->raised ? "!" : "");
  TURN();
  END
}

TEST(a_permit_is_taken_and_given_back) {
  tideR_semaphore sem = new_semaphore(2);
  CHECK(tideR_semaphore_try(&sem));
  CHECK(tideR_semaphore_try(&sem));
  CHECK(!tideR_semaphore_try(&sem));
  CHECK_EQ(sem.value, 0);
  tideR_semaphore_release(rt, &sem);
  CHECK_EQ(sem.value, 1);
  CHECK(tideR_semaphore_try(&sem));
}

TEST(a_permit_is_the_first_waiters) {
  tideR_semaphore sem = new_semaphore(0);
  spawn_arg(rt, acquirer, &sem, "a");
  spawn_arg(rt, acquirer, &sem, "b");
  spawn_arg(rt, acquirer, &sem, "c");
  step(rt);
  tideR_semaphore_release(rt, &sem);
  CHECK_EQ(sem.value, 0);
  CHECK(!tideR_semaphore_try(&sem)); /* nobody overtakes */
  run(rt);
  CHECK_SAID("a");
  tideR_semaphore_release(rt, &sem);
  tideR_semaphore_release(rt, &sem);
  tideR_semaphore_release(rt, &sem);
  CHECK_EQ(sem.value, 1);
  run(rt);
  CHECK_SAID("b c");
}

TEST(a_grantee_that_is_cancelled_keeps_its_permit) {
  tideR_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  tideR_semaphore_release(rt, &sem);
  cancel(a);
  run(rt);
  CHECK_SAID("a");
  CHECK_EQ(sem.value, 0);
}

TEST(a_waiter_that_is_cancelled_leaves_the_permit_to_the_next) {
  tideR_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  cancel(a);
  tideR_semaphore_release(rt, &sem);
  run(rt);
  CHECK_SAID("a! b");
  CHECK_EQ(sem.value, 0);
}

TEST(a_grantee_that_is_given_up_passes_its_permit_on) {
  tideR_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  actor *b = spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  tideR_semaphore_release(rt, &sem);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK(b->done);
  CHECK_SAID("given up b");
  CHECK_EQ(sem.value, 0);
}

TEST(the_permit_of_the_last_grantee_comes_back) {
  tideR_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  actor *b = spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  tideR_semaphore_release(rt, &sem);
  tideR_task_give_up(rt, b->task); /* it waits: it was granted nothing */
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up given up");
  CHECK_EQ(sem.value, 1);
}

TEST(a_permit_that_was_delivered_does_not_pass_on) {
  tideR_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  step(rt);
  tideR_semaphore_release(rt, &sem);
  step(rt);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(sem.value, 0);
}

/* 30 000 who leave from the middle of a queue: a walk to each would take more
 * than the seconds that a test has under a sanitizer. */
TEST(a_cancelled_waiter_is_unlinked_in_one_step) {
  enum { MANY = 30000 };
  static actor *waiters[MANY];
  tideR_semaphore sem = new_semaphore(0);
  uint32_t seed = 1;
  int left = 0;
  for (int i = 0; i < MANY; i++)
    waiters[i] = spawn_arg(rt, acquirer, &sem, "");
  step(rt);
  for (int i = 0; i < MANY; i++) {
    int j = (int)(next_number(&seed) % (uint32_t)(i + 1));
    actor *other = waiters[j];
    waiters[j] = waiters[i];
    waiters[i] = other;
  }
  for (int i = 0; i < MANY - 1; i++)
    cancel(waiters[i]);
  for (const tideR_task *t = sem.waiters.head; t != NULL; t = t->next)
    left++;
  CHECK_EQ(left, 1);
  CHECK(sem.waiters.head == waiters[MANY - 1]->task);
  CHECK(sem.waiters.tail == sem.waiters.head);
  tideR_semaphore_release(rt, &sem);
  CHECK(sem.waiters.head == NULL && sem.waiters.tail == NULL);
  CHECK_EQ(sem.value, 0);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* ---- events ---- */

static void event_waiter(actor *me) {
  BEGIN
  AWAIT(tideR_event_park(me->rt, me->task, me->arg));
  say("%s%s", me->name, me->raised ? "!" : "");
  END
}

TEST(an_event_wakes_all_in_the_order_of_their_coming) {
  tideR_event event;
  tideR_event_init(&event);
  CHECK(!event.is_set);
  spawn_arg(rt, event_waiter, &event, "a");
  spawn_arg(rt, event_waiter, &event, "b");
  step(rt);
  tideR_event_set(rt, &event);
  CHECK(event.is_set);
  CHECK(event.waiters.head == NULL);
  tideR_event_clear(&event);
  CHECK(!event.is_set);
  run(rt);
  CHECK_SAID("a b");
}

TEST(an_event_forgets_who_was_cancelled_or_given_up) {
  tideR_event event;
  tideR_event_init(&event);
  actor *a = spawn_arg(rt, event_waiter, &event, "a");
  actor *b = spawn_arg(rt, event_waiter, &event, "b");
  actor *c = spawn_arg(rt, event_waiter, &event, "c");
  spawn_arg(rt, event_waiter, &event, "d");
  step(rt);
  cancel(a);
  tideR_task_give_up(rt, b->task);
  tideR_event_set(rt, &event);
  tideR_task_give_up(rt, c->task); /* woken, and has nothing to pass on */
  run(rt);
  CHECK(b->abandoned);
  CHECK(c->abandoned);
  CHECK_SAID("a! given up given up d");
}

/* test_semaphore.c: semaphores and events. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tide_task_cancel(a->rt, a->task), 0);
}

/* ---- semaphores ---- */

static tide_semaphore new_semaphore(uint64_t value) {
  tide_semaphore sem;
  tide_semaphore_init(&sem, value);
  return sem;
}

/* Takes a permit, says so, and has another await after that. */
static void acquirer(actor *me) {
  tide_semaphore *sem = me->arg;
  BEGIN
  if (!tide_semaphore_try(sem))
    AWAIT(tide_semaphore_park(me->rt, me->task, sem));
  say("%s%s", me->name, me->raised ? "!" : "");
  TURN();
  END
}

TEST(a_permit_is_taken_and_given_back) {
  tide_semaphore sem = new_semaphore(2);
  CHECK(tide_semaphore_try(&sem));
  CHECK(tide_semaphore_try(&sem));
  CHECK(!tide_semaphore_try(&sem));
  CHECK_EQ(sem.value, 0);
  tide_semaphore_release(rt, &sem);
  CHECK_EQ(sem.value, 1);
  CHECK(tide_semaphore_try(&sem));
}

TEST(a_permit_is_the_first_waiters) {
  tide_semaphore sem = new_semaphore(0);
  spawn_arg(rt, acquirer, &sem, "a");
  spawn_arg(rt, acquirer, &sem, "b");
  spawn_arg(rt, acquirer, &sem, "c");
  step(rt);
  tide_semaphore_release(rt, &sem);
  CHECK_EQ(sem.value, 0);
  CHECK(!tide_semaphore_try(&sem)); /* nobody overtakes */
  run(rt);
  CHECK_SAID("a");
  tide_semaphore_release(rt, &sem);
  tide_semaphore_release(rt, &sem);
  tide_semaphore_release(rt, &sem);
  CHECK_EQ(sem.value, 1);
  run(rt);
  CHECK_SAID("b c");
}

TEST(a_grantee_that_is_cancelled_keeps_its_permit) {
  tide_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  tide_semaphore_release(rt, &sem);
  cancel(a);
  run(rt);
  CHECK_SAID("a");
  CHECK_EQ(sem.value, 0);
}

TEST(a_waiter_that_is_cancelled_leaves_the_permit_to_the_next) {
  tide_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  cancel(a);
  tide_semaphore_release(rt, &sem);
  run(rt);
  CHECK_SAID("a! b");
  CHECK_EQ(sem.value, 0);
}

TEST(a_grantee_that_is_given_up_passes_its_permit_on) {
  tide_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  actor *b = spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  tide_semaphore_release(rt, &sem);
  tide_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK(b->done);
  CHECK_SAID("given up b");
  CHECK_EQ(sem.value, 0);
}

TEST(the_permit_of_the_last_grantee_comes_back) {
  tide_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  actor *b = spawn_arg(rt, acquirer, &sem, "b");
  step(rt);
  tide_semaphore_release(rt, &sem);
  tide_task_give_up(rt, b->task); /* it waits: it was granted nothing */
  tide_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up given up");
  CHECK_EQ(sem.value, 1);
}

TEST(a_permit_that_was_delivered_does_not_pass_on) {
  tide_semaphore sem = new_semaphore(0);
  actor *a = spawn_arg(rt, acquirer, &sem, "a");
  step(rt);
  tide_semaphore_release(rt, &sem);
  step(rt);
  tide_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(sem.value, 0);
}

/* 30 000 who leave from the middle of a queue: a walk to each would take more
 * than the seconds that a test has under a sanitizer. */
TEST(a_cancelled_waiter_is_unlinked_in_one_step) {
  enum { MANY = 30000 };
  static actor *waiters[MANY];
  tide_semaphore sem = new_semaphore(0);
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
  for (const tide_task *t = sem.waiters.head; t != NULL; t = t->next)
    left++;
  CHECK_EQ(left, 1);
  CHECK(sem.waiters.head == waiters[MANY - 1]->task);
  CHECK(sem.waiters.tail == sem.waiters.head);
  tide_semaphore_release(rt, &sem);
  CHECK(sem.waiters.head == NULL && sem.waiters.tail == NULL);
  CHECK_EQ(sem.value, 0);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* ---- events ---- */

static void event_waiter(actor *me) {
  BEGIN
  AWAIT(tide_event_park(me->rt, me->task, me->arg));
  say("%s%s", me->name, me->raised ? "!" : "");
  END
}

TEST(an_event_wakes_all_in_the_order_of_their_coming) {
  tide_event event;
  tide_event_init(&event);
  CHECK(!event.is_set);
  spawn_arg(rt, event_waiter, &event, "a");
  spawn_arg(rt, event_waiter, &event, "b");
  step(rt);
  tide_event_set(rt, &event);
  CHECK(event.is_set);
  CHECK(event.waiters.head == NULL);
  tide_event_clear(&event);
  CHECK(!event.is_set);
  run(rt);
  CHECK_SAID("a b");
}

TEST(an_event_forgets_who_was_cancelled_or_given_up) {
  tide_event event;
  tide_event_init(&event);
  actor *a = spawn_arg(rt, event_waiter, &event, "a");
  actor *b = spawn_arg(rt, event_waiter, &event, "b");
  actor *c = spawn_arg(rt, event_waiter, &event, "c");
  spawn_arg(rt, event_waiter, &event, "d");
  step(rt);
  cancel(a);
  tide_task_give_up(rt, b->task);
  tide_event_set(rt, &event);
  tide_task_give_up(rt, c->task); /* woken, and has nothing to pass on */
  run(rt);
  CHECK(b->abandoned);
  CHECK(c->abandoned);
  CHECK_SAID("a! given up given up d");
}

/* test_lock.c: locks: who owns them, who is next, what breaks them. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

static tideR_lock new_lock(void) {
  tideR_lock lock;
  tideR_lock_init(&lock);
  return lock;
}

/* How its last wait for the lock ended. */
static void say_outcome(actor *me, const tideR_lock *lock) {
  const char *how = me->raised                         ? "!"
                    : tideR_lock_owned(lock, me->task) ? ""
                                                       : " broken";
  say("%s%s", me->name, how);
}

/* Acquires, says so, and releases after a turn. */
static void acquirer(actor *me) {
  tideR_lock *lock = me->arg;
  BEGIN
  if (tideR_lock_try(me->rt, me->task, lock) < 0)
    AWAIT(CHECK_EQ(tideR_lock_park(me->rt, me->task, lock), 0));
  say_outcome(me, lock);
  TURN();
  if (tideR_lock_owned(lock, me->task))
    tideR_lock_release(me->rt, lock);
  END
}

/* Acquires, and ends a turn later without releasing. */
static void breaker(actor *me) {
  tideR_lock *lock = me->arg;
  BEGIN
  if (tideR_lock_try(me->rt, me->task, lock) < 0)
    AWAIT(CHECK_EQ(tideR_lock_park(me->rt, me->task, lock), 0));
  say_outcome(me, lock);
  TURN();
  TURN();
  END
}

TEST(a_lock_is_its_owners) {
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  CHECK(!tideR_lock_owned(&lock, me->task));
  CHECK_EQ(tideR_lock_try(rt, me->task, &lock), 0);
  CHECK(tideR_lock_owned(&lock, me->task));
  CHECK_EQ(tideR_lock_try(rt, me->task, &lock), UV_EBUSY);
  tideR_lock_release(rt, &lock);
  CHECK(lock.owner == NULL);
  CHECK(!tideR_lock_broken(&lock));
}

TEST(uncontended_it_touches_nothing_but_itself) {
  tideR_lock lock = new_lock();
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  step(rt);
  CHECK(tideR_lock_owned(&lock, a->task));
  CHECK(a->task->ends == 0);
  CHECK(lock.link == NULL);
  run(rt);
  CHECK(lock.owner == NULL);
}

TEST(a_released_lock_is_the_first_waiters) {
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  CHECK_EQ(tideR_lock_try(rt, me->task, &lock), 0);
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  spawn_arg(rt, acquirer, &lock, "b");
  spawn_arg(rt, acquirer, &lock, "c");
  step(rt);
  CHECK(lock.link != NULL);
  tideR_lock_release(rt, &lock);
  CHECK(tideR_lock_owned(&lock, a->task)); /* before it has run */
  CHECK_EQ(tideR_lock_try(rt, me->task, &lock), UV_EBUSY);
  run(rt);
  CHECK_SAID("a b c");
  CHECK(lock.owner == NULL && lock.link == NULL);
}

TEST(the_last_waiter_that_leaves_unlinks_it) {
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  tideR_lock_try(rt, me->task, &lock);
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  actor *b = spawn_arg(rt, acquirer, &lock, "b");
  step(rt);
  cancel(a);
  CHECK(lock.link != NULL);
  tideR_task_give_up(rt, b->task);
  CHECK(lock.link == NULL);
  run(rt);
  CHECK_SAID("a! given up");
  CHECK(tideR_lock_owned(&lock, me->task));
}

TEST(a_grantee_that_is_cancelled_owns_it) {
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  tideR_lock_try(rt, me->task, &lock);
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  spawn_arg(rt, acquirer, &lock, "b");
  step(rt);
  tideR_lock_release(rt, &lock);
  cancel(a);
  run(rt);
  CHECK_SAID("a b");
  CHECK(lock.owner == NULL);
}

TEST(a_waiter_that_was_cancelled_is_passed_over) {
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  tideR_lock_try(rt, me->task, &lock);
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  spawn_arg(rt, acquirer, &lock, "b");
  step(rt);
  cancel(a);
  tideR_lock_release(rt, &lock);
  run(rt);
  CHECK_SAID("a! b");
}

TEST(a_grantee_that_is_given_up_passes_it_on) {
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  tideR_lock_try(rt, me->task, &lock);
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  actor *b = spawn_arg(rt, acquirer, &lock, "b");
  step(rt);
  tideR_lock_release(rt, &lock);
  tideR_task_give_up(rt, a->task);
  step(rt);
  CHECK(a->abandoned);
  CHECK(tideR_lock_owned(&lock, b->task));
  run(rt);
  CHECK_SAID("given up b");
  CHECK(lock.owner == NULL);
}

TEST(the_lock_of_the_last_grantee_is_free) {
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  tideR_lock_try(rt, me->task, &lock);
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  step(rt);
  tideR_lock_release(rt, &lock);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up");
  CHECK(lock.owner == NULL);
}

/* ---- broken ---- */

TEST(the_owners_end_breaks_it_and_wakes_all) {
  tideR_lock lock = new_lock();
  actor *owner = spawn_arg(rt, breaker, &lock, "owner");
  uint64_t id = owner->task->id;
  spawn_arg(rt, acquirer, &lock, "a");
  spawn_arg(rt, acquirer, &lock, "b");
  step(rt);
  CHECK(!tideR_lock_broken(&lock));
  run(rt);
  CHECK_SAID("owner a broken b broken");
  CHECK(tideR_lock_broken(&lock));
  CHECK_EQ(lock.owner_id, id);
  CHECK(lock.link == NULL && lock.waiters.head == NULL);
}

TEST(it_is_broken_also_when_the_record_is_anothers) {
  tideR_lock lock = new_lock();
  actor *owner = spawn_arg(rt, breaker, &lock, "owner");
  run(rt);
  CHECK(tideR_lock_broken(&lock));
  actor *next = spawn_arg(rt, acquirer, &lock, "next");
  CHECK(next->task == owner->task);
  CHECK(!tideR_lock_owned(&lock, next->task));
  CHECK(tideR_lock_broken(&lock));
  CHECK_EQ(tideR_lock_try(rt, next->task, &lock), UV_EBUSY);
  tideR_task_give_up(rt, next->task);
  run(rt);
}

TEST(an_owner_that_is_given_up_breaks_all_its_locks) {
  tideR_lock first = new_lock(), second = new_lock();
  actor *owner = spawn_named(rt, waiter, "owner");
  tideR_waitq queue = new_queue();
  owner->arg = &queue;
  CHECK_EQ(tideR_lock_try(rt, owner->task, &first), 0);
  CHECK_EQ(tideR_lock_try(rt, owner->task, &second), 0);
  spawn_arg(rt, acquirer, &first, "a");
  spawn_arg(rt, acquirer, &second, "b");
  spawn_arg(rt, acquirer, &first, "c");
  step(rt);
  tideR_task_give_up(rt, owner->task);
  CHECK(!tideR_lock_broken(&first)); /* it is given up at its next turn */
  step(rt);
  CHECK(tideR_lock_broken(&first));
  CHECK(tideR_lock_broken(&second));
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK(strstr(said, "a broken") != NULL);
  CHECK(strstr(said, "b broken") != NULL);
  CHECK(strstr(said, "c broken") != NULL);
}

TEST(a_waiter_of_a_broken_one_that_is_given_up_too_passes_nothing_on) {
  tideR_lock lock = new_lock();
  spawn_arg(rt, breaker, &lock, "owner");
  actor *a = spawn_arg(rt, acquirer, &lock, "a");
  spawn_arg(rt, acquirer, &lock, "b");
  while (!tideR_lock_broken(&lock))
    step(rt);
  tideR_task_give_up(rt, a->task); /* woken, has not run */
  run(rt);
  CHECK_SAID("owner given up b broken");
  CHECK(tideR_lock_broken(&lock));
}

/* 30 000 who leave from the middle of the queue. */
TEST(a_cancelled_waiter_is_unlinked_in_one_step) {
  enum { MANY = 30000 };
  static actor *waiters[MANY];
  tideR_lock lock = new_lock();
  actor *me = root(rt);
  tideR_lock_try(rt, me->task, &lock);
  for (int i = 0; i < MANY; i++)
    waiters[i] = spawn_arg(rt, acquirer, &lock, "");
  step(rt);
  CHECK_EQ(tideR_waitq_length(&lock.waiters), MANY);
  for (int i = MANY / 2, step = 0; step < MANY; step++) {
    i = (i + 7919) % MANY;
    cancel(waiters[i]);
  }
  CHECK(lock.waiters.head == NULL && lock.waiters.tail == NULL);
  CHECK(lock.link == NULL);
  tideR_lock_release(rt, &lock);
  CHECK(lock.owner == NULL);
  said[0] = '\0';
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* And 30 000 locks of one owner: each is linked and unlinked in one step. */
TEST(an_owner_of_many_locks_lets_go_of_each_in_one_step) {
  enum { MANY = 30000 };
  static tideR_lock locks[MANY];
  actor *me = root(rt);
  for (int i = 0; i < MANY; i++) {
    locks[i] = new_lock();
    tideR_lock_init(&locks[i]);
    CHECK_EQ(tideR_lock_try(rt, me->task, &locks[i]), 0);
    spawn_arg(rt, acquirer, &locks[i], "");
  }
  step(rt);
  for (int i = 0; i < MANY; i++)
    tideR_lock_release(rt, &locks[(i * 7L) % MANY]);
  for (int i = 0; i < MANY; i++)
    CHECK(locks[i].link == NULL && locks[i].owner != NULL);
  said[0] = '\0';
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

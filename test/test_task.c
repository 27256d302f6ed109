/* test_task.c: task records, their turns, and who is told of a deadlock. */
#include "test.h"

static void idler(actor *me) {
  (void)me;
}

static void talker(actor *me) {
  BEGIN
  say("%s1", me->name);
  TURN();
  say("%s2", me->name);
  END
}

/* ---- records ---- */

TEST(a_task_goes_from_ready_to_parked_to_free) {
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  CHECK_EQ(a->task->state, TIDE_TASK_READY);
  CHECK_EQ(stats(rt).ready, 1);
  CHECK(tideR_task_alive(a->task));
  step(rt);
  CHECK_EQ(a->task->state, TIDE_TASK_PARKED);
  CHECK_EQ(stats(rt).ready, 0);
  CHECK_STR(tideR_task_waits_for(a->task), "test");
  CHECK(tideR_waitq_wake(rt, &queue) == a->task);
  CHECK_EQ(a->task->state, TIDE_TASK_READY);
  CHECK(tideR_task_waits_for(a->task) == NULL);
  step(rt);
  CHECK_EQ(a->task->state, TIDE_TASK_FREE);
  CHECK(!tideR_task_alive(a->task));
  CHECK_SAID("a");
}

static void introspective(actor *me) {
  CHECK(tideR_task_current(me->rt) == me->task);
  CHECK_EQ(me->task->state, TIDE_TASK_RUNNING);
  CHECK(me->task->flags & TIDE_FRESH);
}

TEST(the_current_task_is_the_one_that_runs) {
  spawn(rt, introspective);
  CHECK(tideR_task_current(rt) == NULL);
  step(rt);
  CHECK(tideR_task_current(rt) == NULL);
}

TEST(a_task_is_fresh_only_until_it_has_run) {
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  CHECK(a->task->flags & TIDE_FRESH);
  step(rt);
  CHECK(!(a->task->flags & TIDE_FRESH));
}

TEST(a_recycled_record_keeps_its_slot_and_coro) {
  tideR_task *task = spawn(rt, idler)->task;
  void *coro = task->coro;
  uint32_t slot = task->slot, id = task->id;
  step(rt);
  CHECK(tideR_task_new(rt) == task);
  CHECK(task->coro == coro);
  CHECK_EQ(task->slot, slot);
  CHECK_EQ(task->id, id + 1);
  CHECK(task->wait == NULL);
  CHECK(task->scope == NULL);
  tideR_task_discard(rt, task);
}

TEST(slots_find_their_records) {
  enum { MANY = 3000 };
  for (int i = 0; i < MANY; i++)
    spawn(rt, idler);
  CHECK_EQ(tideR_task_slots(rt), MANY);
  for (uint32_t slot = 1; slot <= MANY; slot++)
    CHECK_EQ(tideR_task_at(rt, slot)->slot, slot);
  run(rt);
  for (int i = 0; i < MANY; i++)
    spawn(rt, idler);
  CHECK_EQ(tideR_task_slots(rt), MANY); /* all used again */
}

TEST(a_task_that_was_not_started_never_was) {
  tideR_task *task = tideR_task_new(rt);
  CHECK(!tideR_task_alive(task));
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK_EQ(tideR_young_count(rt), 0);
  tideR_task_discard(rt, task);
  CHECK_EQ(stats(rt).tasks, 0);
  run(rt);
  CHECK_EQ(stats(rt).switches, 0);
}

TEST(the_record_is_small) {
  if (sizeof(void *) == 8)
    CHECK_EQ(sizeof(tideR_task), 64);
}

/* ---- turns ---- */

TEST(turns_are_fifo) {
  spawn_named(rt, talker, "a");
  spawn_named(rt, talker, "b");
  spawn_named(rt, talker, "c");
  run(rt);
  CHECK_SAID("a1 b1 c1 a2 b2 c2");
}

TEST(a_step_without_a_budget_is_one_turn) {
  spawn_named(rt, talker, "a");
  spawn_named(rt, talker, "b");
  step(rt);
  CHECK_SAID("a1 b1");
  CHECK_EQ(stats(rt).turns, 1);
  step(rt);
  CHECK_SAID("a2 b2");
}

static void counts_turns(actor *me) {
  BEGIN
  for (me->n = 0; me->n < 10; me->n++) {
    me->arg = (void *)(uintptr_t)stats(me->rt).turns;
    TURN();
    CHECK_EQ(stats(me->rt).turns, (uintptr_t)me->arg + 1);
  }
  END
}

TEST(park_turn_is_exactly_one_turn) {
  spawn(rt, counts_turns);
  spawn(rt, counts_turns);
  run(rt);
  CHECK_EQ(stats(rt).switches, 22);
}

static void wakes_one(actor *me) {
  say("%s", me->name);
  tideR_waitq_wake(me->rt, me->arg);
}

TEST(a_woken_task_runs_in_the_next_turn) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, waiter, &queue, "w");
  step(rt);
  spawn_arg(rt, wakes_one, &queue, "a");
  spawn_named(rt, talker, "b");
  step(rt);
  CHECK_SAID("a b1");
  step(rt);
  CHECK_SAID("w b2");
}

static void spawns(actor *me) {
  say("%s", me->name);
  if (me->n > 0)
    spawn_named(me->rt, spawns, "child")->n = me->n - 1;
}

TEST(a_spawned_task_runs_in_the_next_turn) {
  spawn_named(rt, spawns, "a")->n = 2;
  spawn_named(rt, talker, "b");
  run(rt);
  CHECK_SAID("a b1 child b2 child");
}

static void numbered(actor *me) {
  BEGIN
  say("%ld", me->n);
  TURN();
  say("%ld", me->n);
  END
}

static void run_seeded(uint64_t seed, char out[static sizeof said]) {
  tideR_runtime *rt = runtime_new();
  long sum = 0;
  tideR_loop_seed(rt, seed);
  for (long i = 0; i < 20; i++)
    spawn(rt, numbered)->n = i;
  run(rt);
  memcpy(out, said, sizeof said);
  for (char *word = strtok(said, " "); word != NULL; word = strtok(NULL, " "))
    sum += 1L << atol(word);
  CHECK_EQ(sum, 2 * ((1L << 20) - 1)); /* each ran once in each turn */
  said[0] = '\0';
  runtime_free(rt);
}

TEST(a_seed_shuffles_the_same_way_each_time) {
  static char fifo[sizeof said], one[sizeof said], again[sizeof said],
      other[sizeof said];
  run_seeded(0, fifo);
  run_seeded(1, one);
  run_seeded(1, again);
  run_seeded(UINT64_C(1) << 63, other);
  CHECK(strncmp(fifo, "0 1 2 3 4 5 6 7 8 9 10 ", 23) == 0);
  CHECK_STR(one, again);
  CHECK(strcmp(one, fifo) != 0);
  CHECK(strcmp(other, fifo) != 0);
  CHECK(strcmp(one, other) != 0);
}

/* ---- tasks that count as young ---- */

TEST(young_tasks_are_those_spawned_since) {
  tideR_waitq queue = new_queue();
  actor *old = spawn_arg(rt, waiter, &queue, "");
  tideR_young_begin(rt);
  actor *young = spawn_arg(rt, waiter, &queue, "");
  CHECK_EQ(tideR_young_count(rt), 1);
  CHECK(tideR_task_is_young(rt, young->task));
  CHECK(!tideR_task_is_young(rt, old->task));
  CHECK(!tideR_task_is_young(rt, root(rt)->task));
  step(rt);
  tideR_waitq_wake_all(rt, &queue);
  step(rt);
  CHECK_EQ(tideR_young_count(rt), 0);
  tideR_young_end(rt);
  CHECK_EQ(tideR_young_count(rt), 0);
}

TEST(all_tasks_are_young_when_no_run_is_under_way) {
  tideR_waitq first = new_queue(), second = new_queue();
  spawn_arg(rt, waiter, &first, "");
  spawn_arg(rt, waiter, &second, "");
  CHECK_EQ(tideR_young_count(rt), 2);
  tideR_young_begin(rt);
  CHECK_EQ(tideR_young_count(rt), 0);
  spawn_arg(rt, waiter, &second, "");
  step(rt);
  tideR_waitq_wake_all(rt, &first); /* an older one ends meanwhile */
  step(rt);
  CHECK_EQ(tideR_young_count(rt), 1);
  tideR_young_end(rt);
  CHECK_EQ(tideR_young_count(rt), 2); /* also what outlived it */
  tideR_waitq_wake_all(rt, &second);
  step(rt);
  CHECK_EQ(tideR_young_count(rt), 0);
}

/* Among many: were each record looked at for each of the few, that would take
 * more than the seconds that a test has. */
TEST(young_tasks_are_found_in_few_steps) {
  enum { MANY = 200000, RUNS = 20000 };
  tideR_waitq queue = new_queue(), all = new_queue();
  for (int i = 0; i < MANY; i++)
    spawn_arg(rt, waiter, &all, "");
  for (int i = 0; i < RUNS; i++) {
    uint32_t slot = 0;
    tideR_young_begin(rt);
    actor *a = spawn_arg(rt, waiter, &queue, "");
    actor *b = spawn_arg(rt, waiter, &queue, "");
    step(rt);
    CHECK_EQ(tideR_young_count(rt), 2);
    CHECK(tideR_young_next(rt, a->task->id, &slot) == b->task);
    CHECK(tideR_young_next(rt, b->task->id, &slot) == NULL);
    slot = 0;
    CHECK_EQ(tideR_young_next(rt, 0, &slot) != NULL, 1);
    CHECK_EQ(tideR_young_next(rt, 0, &slot) != NULL, 1);
    CHECK(tideR_young_next(rt, 0, &slot) == NULL);
    tideR_waitq_wake_all(rt, &queue);
    step(rt);
    CHECK_EQ(tideR_young_count(rt), 0);
    tideR_young_end(rt);
  }
  CHECK_EQ(tideR_young_count(rt), MANY);
}

/* ---- the main task, the root, and deadlocks ---- */

TEST(a_run_ends_with_its_main_and_can_be_continued) {
  tideR_task *task = spawn(rt, idler)->task;
  tideR_loop_main(rt, task);
  CHECK(tideR_loop_mainof(rt) == task);
  spawn_named(rt, talker, "a");
  run(rt);
  CHECK_SAID("a1");
  CHECK(tideR_loop_mainof(rt) == NULL);
  run(rt);
  CHECK_SAID("a2");
}

static void deadlocked(actor *me) {
  BEGIN
  WAIT(me->arg);
  say("%s", me->task->status == TIDE_DEADLOCKED ? "deadlocked" : "woken");
  END
}

TEST(a_deadlock_wakes_the_main) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, waiter, &queue, "a");
  tideR_loop_main(rt, spawn_arg(rt, deadlocked, &queue, "main")->task);
  run(rt);
  CHECK_SAID("deadlocked");
  CHECK_EQ(stats(rt).tasks, 1);
  CHECK(queue.head == queue.tail); /* it was taken out */
}

TEST(a_deadlock_without_a_main_ends_the_run) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, deadlocked, &queue, "a");
  run(rt);
  CHECK_SAID("");
  tideR_waitq_wake_all(rt, &queue);
  run(rt);
  CHECK_SAID("woken");
}

TEST(a_deadlock_wakes_the_root_that_waits) {
  tideR_waitq queue = new_queue();
  tideR_task *task = root(rt)->task;
  tideR_waitq_park(rt, task, &queue);
  run(rt);
  CHECK_EQ(task->status, TIDE_DEADLOCKED);
  CHECK(queue.head == NULL);
}

static void wakes_after_an_hour(actor *me) {
  BEGIN
  SLEEP(3600);
  tideR_waitq_wake(me->rt, me->arg);
  END
}

TEST(the_root_parks_by_driving_the_loop) {
  tideR_waitq queue = new_queue();
  tideR_task *task = root(rt)->task;
  uint64_t start = tideR_now(rt);
  CHECK(tideR_task_root(rt) == task);
  CHECK_EQ(stats(rt).tasks, 0); /* it is not counted */
  CHECK(!tideR_task_alive(task));
  spawn_arg(rt, wakes_after_an_hour, &queue, "");
  tideR_waitq_park(rt, task, &queue);
  run(rt);
  CHECK_EQ(task->status, TIDE_WOKEN);
  CHECK_EQ(tideR_now(rt), start + 3600 * SECOND);
  spawn_named(rt, talker, "a");
  tideR_park_turn(rt, task);
  run(rt);
  CHECK_SAID("a1");
  CHECK_EQ(tideR_park_until(rt, task, tideR_deadline(rt, 1)), 0);
  run(rt);
  CHECK_SAID("a2");
  CHECK_EQ(tideR_now(rt), start + 3601 * SECOND);
  CHECK_EQ(tideR_task_cancel(rt, task), 0);
  CHECK(tideR_checkpoint(rt, task));
}

/* ---- counts ---- */

static void sleeps_thrice(actor *me) {
  BEGIN
  for (me->n = 0; me->n < 3; me->n++)
    SLEEP(1);
  END
}

TEST(the_counts_add_up) {
  tideR_waitq queue = new_queue();
  spawn(rt, sleeps_thrice);
  spawn(rt, sleeps_thrice);
  spawn_arg(rt, waiter, &queue, "a");
  step(rt);
  CHECK_EQ(stats(rt).tasks, 3);
  CHECK_EQ(stats(rt).ready, 0);
  CHECK_EQ(stats(rt).sleeping, 2);
  CHECK_EQ(stats(rt).timers, 2);
  CHECK_EQ(stats(rt).switches, 3);
  CHECK_EQ(stats(rt).spawned, 3);
  CHECK_EQ(stats(rt).turns, 1);
  CHECK_EQ(stats(rt).polls, 1);
  CHECK_EQ(stats(rt).handles, 0);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 1);
  CHECK_EQ(stats(rt).sleeping, 0);
  CHECK_EQ(stats(rt).switches, 9);
  CHECK_EQ(stats(rt).spawned, 3);
}

/* test_queue.c: what a queue counts, and whom it wakes. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

/* late: a putter that is woken fills its place itself. */
static tideR_queue *new_queue_of(tideR_queue *queue, uint64_t maxsize,
                                 bool late) {
  tideR_queue_init(queue, maxsize, late);
  return queue;
}

static void put(tideR_runtime *rt, tideR_queue *queue) {
  CHECK(!tideR_queue_full(queue));
  tideR_queue_claim(queue);
  tideR_queue_fill(rt, queue);
}

/* Takes what is reserved; the putter that this admits fills its place at once,
 * as the bindings do it for a queue that is not late. */
static void take(tideR_runtime *rt, tideR_queue *queue) {
  tideR_queue_take(queue);
  if (tideR_queue_admit(rt, queue) != NULL)
    tideR_queue_fill(rt, queue);
}

static const char *ending(const actor *me) {
  if (me->raised)
    return "!";
  return me->task->status == TIDE_REFUSED ? "-" : "";
}

static void getter(actor *me) {
  tideR_queue *queue = me->arg;
  BEGIN
  if (!tideR_queue_reserve(queue))
    AWAIT(tideR_queue_park_get(me->rt, me->task, queue));
  say("%s%s", me->name, ending(me));
  if (*ending(me) == '\0')
    take(me->rt, queue);
  TURN();
  END
}

/* Of a queue that is not late. */
static void putter(actor *me) {
  tideR_queue *queue = me->arg;
  BEGIN
  if (tideR_queue_full(queue))
    AWAIT(tideR_queue_park_put(me->rt, me->task, queue));
  else
    put(me->rt, queue);
  say("%s%s", me->name, ending(me));
  TURN();
  END
}

static void late_putter(actor *me) {
  tideR_queue *queue = me->arg;
  BEGIN
  AWAIT(tideR_queue_park_put(me->rt, me->task, queue));
  say("%s%s", me->name, ending(me));
  if (*ending(me) == '\0')
    tideR_queue_fill(me->rt, queue);
  TURN();
  END
}

static void joiner(actor *me) {
  BEGIN
  AWAIT(tideR_queue_park_join(me->rt, me->task, me->arg));
  say("%s%s", me->name, ending(me));
  END
}

#define COUNTS(queue, size, kept, given) \
  do { \
    CHECK_EQ(tideR_queue_size(queue), size); \
    CHECK_EQ((queue)->reserved, kept); \
    CHECK_EQ((queue)->places, given); \
  } while (0)

/* ---- get ---- */

TEST(an_item_is_the_first_getters_and_nobody_else_sees_it) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  spawn_arg(rt, getter, queue, "a");
  spawn_arg(rt, getter, queue, "b");
  step(rt);
  put(rt, queue);
  COUNTS(queue, 0, 1, 0);
  CHECK(!tideR_queue_reserve(queue)); /* nobody overtakes */
  CHECK(!tideR_queue_full(queue));    /* and it takes up no place */
  put(rt, queue);
  put(rt, queue);
  COUNTS(queue, 1, 2, 0);
  CHECK(tideR_queue_full(queue));
  run(rt);
  CHECK_SAID("a b");
  COUNTS(queue, 1, 0, 0);
}

TEST(a_getter_that_is_cancelled_when_woken_keeps_its_item) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  actor *a = spawn_arg(rt, getter, queue, "a");
  spawn_arg(rt, getter, queue, "b");
  step(rt);
  put(rt, queue);
  cancel(a);
  step(rt);
  CHECK_SAID("a");
  COUNTS(queue, 0, 0, 0);
  CHECK(queue->getters.head != NULL);
}

TEST(a_getter_that_is_cancelled_before_leaves_the_item_to_the_next) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  actor *a = spawn_arg(rt, getter, queue, "a");
  spawn_arg(rt, getter, queue, "b");
  step(rt);
  cancel(a);
  put(rt, queue);
  run(rt);
  CHECK_SAID("a! b");
  COUNTS(queue, 0, 0, 0);
}

TEST(the_item_of_a_getter_that_died_passes_on) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  actor *a = spawn_arg(rt, getter, queue, "a");
  spawn_arg(rt, getter, queue, "b");
  step(rt);
  put(rt, queue);
  tideR_task_give_up(rt, a->task);
  step(rt);
  COUNTS(queue, 0, 1, 0); /* b's */
  run(rt);
  CHECK(a->abandoned);
  CHECK_SAID("given up b");
  COUNTS(queue, 0, 0, 0);
}

TEST(the_item_of_the_last_getter_that_died_is_free) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  actor *a = spawn_arg(rt, getter, queue, "a");
  actor *b = spawn_arg(rt, getter, queue, "b");
  step(rt);
  put(rt, queue);
  tideR_task_give_up(rt, b->task); /* it waits: it was granted nothing */
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up given up");
  COUNTS(queue, 1, 0, 0);
  CHECK(tideR_queue_reserve(queue));
}

/* ---- put ---- */

TEST(a_place_is_the_first_putters) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  put(rt, queue);
  spawn_arg(rt, putter, queue, "a");
  spawn_arg(rt, putter, queue, "b");
  step(rt);
  CHECK(tideR_queue_reserve(queue));
  CHECK(tideR_queue_full(queue)); /* nobody overtakes who waits */
  take(rt, queue);
  COUNTS(queue, 1, 0, 0);
  CHECK(tideR_queue_full(queue));
  step(rt);
  CHECK_SAID("a");
  CHECK(tideR_queue_reserve(queue));
  take(rt, queue);
  run(rt);
  CHECK_SAID("b");
  COUNTS(queue, 1, 0, 0);
}

TEST(a_putter_that_left_is_not_admitted) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  put(rt, queue);
  actor *a = spawn_arg(rt, putter, queue, "a");
  actor *b = spawn_arg(rt, putter, queue, "b");
  spawn_arg(rt, putter, queue, "c");
  step(rt);
  cancel(a);
  tideR_task_give_up(rt, b->task);
  CHECK(tideR_queue_reserve(queue));
  take(rt, queue);
  run(rt);
  CHECK_SAID("a! given up c");
  COUNTS(queue, 1, 0, 0);
}

TEST(what_an_admitted_putter_put_stays_when_it_dies) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  put(rt, queue);
  actor *a = spawn_arg(rt, putter, queue, "a");
  step(rt);
  CHECK(tideR_queue_reserve(queue));
  take(rt, queue);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up");
  COUNTS(queue, 1, 0, 0);
}

TEST(a_late_putter_has_a_place_until_it_fills_it) {
  tideR_queue q, *queue = new_queue_of(&q, 1, true);
  put(rt, queue);
  actor *a = spawn_arg(rt, late_putter, queue, "a");
  spawn_arg(rt, late_putter, queue, "b");
  step(rt);
  CHECK(tideR_queue_reserve(queue));
  tideR_queue_take(queue);
  CHECK(tideR_queue_admit(rt, queue) == a->task);
  COUNTS(queue, 0, 0, 1);
  CHECK(tideR_queue_full(queue));
  CHECK(tideR_queue_admit(rt, queue) == NULL);
  cancel(a); /* too late */
  step(rt);
  CHECK_SAID("a");
  COUNTS(queue, 1, 0, 0);
}

TEST(the_place_of_a_late_putter_that_died_passes_on) {
  tideR_queue q, *queue = new_queue_of(&q, 1, true);
  put(rt, queue);
  actor *a = spawn_arg(rt, late_putter, queue, "a");
  actor *b = spawn_arg(rt, late_putter, queue, "b");
  step(rt);
  CHECK(tideR_queue_reserve(queue));
  tideR_queue_take(queue);
  tideR_queue_admit(rt, queue);
  tideR_task_give_up(rt, a->task);
  step(rt);
  COUNTS(queue, 0, 0, 1); /* b's */
  tideR_task_give_up(rt, b->task);
  run(rt);
  CHECK_SAID("given up given up");
  COUNTS(queue, 0, 0, 0);
  CHECK(!tideR_queue_full(queue));
}

TEST(a_place_that_could_not_be_filled_passes_on) {
  tideR_queue q, *queue = new_queue_of(&q, 1, true);
  tideR_queue_claim(queue);
  spawn_arg(rt, late_putter, queue, "a");
  step(rt);
  tideR_queue_unclaim(rt, queue);
  COUNTS(queue, 0, 0, 1);
  run(rt);
  CHECK_SAID("a");
  COUNTS(queue, 1, 0, 0);
}

TEST(an_item_that_fills_a_late_place_is_a_waiting_getters) {
  tideR_queue q, *queue = new_queue_of(&q, 1, true);
  put(rt, queue);
  spawn_arg(rt, late_putter, queue, "put");
  step(rt);
  CHECK(tideR_queue_reserve(queue));
  tideR_queue_take(queue);
  tideR_queue_admit(rt, queue);
  spawn_arg(rt, getter, queue, "get");
  run(rt);
  CHECK_SAID("put get");
  COUNTS(queue, 0, 0, 0);
}

/* An item that comes back does not fit: the next that is taken makes no room.
 */
TEST(a_queue_that_is_overfull_admits_nobody) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  actor *a = spawn_arg(rt, getter, queue, "a");
  step(rt);
  put(rt, queue);
  put(rt, queue);
  spawn_arg(rt, putter, queue, "p");
  tideR_task_give_up(rt, a->task);
  step(rt);
  COUNTS(queue, 2, 0, 0);
  CHECK(tideR_queue_reserve(queue));
  take(rt, queue);
  COUNTS(queue, 1, 0, 0);
  CHECK(queue->putters.head != NULL);
  CHECK(tideR_queue_reserve(queue));
  take(rt, queue);
  COUNTS(queue, 1, 0, 0);
  run(rt);
  CHECK_SAID("given up p");
}

/* ---- join, shutdown ---- */

TEST(join_waits_for_all_that_was_put) {
  tideR_queue q, *queue = new_queue_of(&q, UINT64_MAX, false);
  CHECK(!tideR_queue_done(rt, queue));
  put(rt, queue);
  put(rt, queue);
  spawn_arg(rt, joiner, queue, "a");
  cancel(spawn_arg(rt, joiner, queue, "b"));
  step(rt);
  CHECK(tideR_queue_done(rt, queue));
  step(rt);
  CHECK_SAID("b!");
  CHECK(tideR_queue_done(rt, queue));
  CHECK(!tideR_queue_done(rt, queue));
  run(rt);
  CHECK_SAID("a");
}

TEST(shutdown_refuses_who_waits_and_keeps_the_items) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  put(rt, queue);
  spawn_arg(rt, putter, queue, "p");
  cancel(spawn_arg(rt, putter, queue, "q"));
  step(rt);
  tideR_queue_shut(rt, queue, false);
  tideR_queue_shut(rt, queue, false);
  run(rt);
  CHECK_SAID("q! p-");
  COUNTS(queue, 1, 0, 0);
  CHECK(tideR_queue_reserve(queue));
}

TEST(an_immediate_shutdown_drops_all_but_what_is_reserved) {
  tideR_queue q, *queue = new_queue_of(&q, UINT64_MAX, false);
  spawn_arg(rt, getter, queue, "a");
  spawn_arg(rt, joiner, queue, "j");
  step(rt);
  put(rt, queue);
  put(rt, queue);
  put(rt, queue);
  tideR_queue_shut(rt, queue, false);
  tideR_queue_shut(rt, queue, true);
  COUNTS(queue, 0, 1, 0);
  CHECK_EQ(queue->unfinished, 1);
  step(rt);
  CHECK_SAID("a");
  CHECK(tideR_queue_done(rt, queue));
  run(rt);
  CHECK_SAID("j");
}

TEST(after_an_immediate_shutdown_what_comes_back_is_dropped) {
  tideR_queue q, *queue = new_queue_of(&q, UINT64_MAX, false);
  actor *a = spawn_arg(rt, getter, queue, "a");
  spawn_arg(rt, joiner, queue, "j");
  step(rt);
  put(rt, queue);
  tideR_queue_shut(rt, queue, true);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up j");
  COUNTS(queue, 0, 0, 0);
  CHECK_EQ(queue->unfinished, 0);
}

TEST(items_told_done_before_they_were_got_are_not_counted_twice) {
  tideR_queue q, *queue = new_queue_of(&q, UINT64_MAX, false);
  put(rt, queue);
  put(rt, queue);
  CHECK(tideR_queue_done(rt, queue));
  tideR_queue_shut(rt, queue, true);
  CHECK_EQ(queue->unfinished, 0);
}

TEST(who_was_refused_has_nothing_to_pass_on) {
  tideR_queue q, *queue = new_queue_of(&q, 1, false);
  actor *a = spawn_arg(rt, getter, queue, "a");
  step(rt);
  tideR_queue_shut(rt, queue, false);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up");
  COUNTS(queue, 0, 0, 0);
}

/* ---- many ---- */

/* 30 000 who leave from the middle: a walk to each would take too long. */
TEST(a_cancelled_waiter_is_unlinked_in_one_step) {
  enum { MANY = 30000 };
  static actor *waiters[MANY];
  tideR_queue q, *queue = new_queue_of(&q, UINT64_MAX, false);
  uint32_t seed = 1;
  for (int i = 0; i < MANY; i++)
    waiters[i] = spawn_arg(rt, getter, queue, "");
  step(rt);
  for (int i = 0; i < MANY; i++) {
    int j = (int)(next_number(&seed) % (uint32_t)(i + 1));
    actor *other = waiters[j];
    waiters[j] = waiters[i];
    waiters[i] = other;
  }
  for (int i = 0; i < MANY - 1; i++)
    cancel(waiters[i]);
  CHECK_EQ(tideR_waitq_length(&queue->getters), 1);
  CHECK(queue->getters.head == waiters[MANY - 1]->task);
  put(rt, queue);
  COUNTS(queue, 0, 1, 0);
  run(rt);
  COUNTS(queue, 0, 0, 0);
  CHECK_EQ(stats(rt).tasks, 0);
}

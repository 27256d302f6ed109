/* test_call.c: callbacks that the loop runs. */
#include "test.h"

/* What runs says the letter of its slot. */
static void say_slot(tideR_runtime *rt, tideR_call *call) {
  CHECK(tideR_task_current(rt) == NULL);
  CHECK_EQ(tideR_loop_step(rt, 0), UV_EBUSY);
  say("%c", 'a' + (int)call->slot - 1);
}

static void on_calls(tideR_runtime *rt,
                     void (*on_call)(tideR_runtime *rt, tideR_call *call)) {
  ((world *)tideR_runtime_data(rt))->on_call = on_call;
}

static tideR_call *soon(tideR_runtime *rt) {
  tideR_call *call;
  CHECK_EQ(tideR_call_soon(rt, &call), 0);
  CHECK_EQ(call->state, TIDE_CALL_QUEUED);
  return call;
}

static tideR_call *later(tideR_runtime *rt, double seconds) {
  tideR_call *call;
  CHECK_EQ(tideR_call_at(rt, tideR_deadline(rt, seconds), &call), 0);
  CHECK_EQ(call->state, TIDE_CALL_TIMED);
  return call;
}

TEST(calls_are_fifo) {
  on_calls(rt, say_slot);
  soon(rt);
  soon(rt);
  soon(rt);
  CHECK(tideR_loop_alive(rt));
  step(rt);
  CHECK_SAID("a b c");
  CHECK(!tideR_loop_alive(rt));
}

static void say_turn(actor *me) {
  BEGIN
  say("task");
  TURN();
  say("task");
  END
}

TEST(calls_run_before_the_tasks_of_their_turn) {
  on_calls(rt, say_slot);
  spawn(rt, say_turn);
  soon(rt);
  step(rt);
  CHECK_SAID("a task");
  soon(rt);
  step(rt);
  CHECK_SAID("a task");
}

static void call_again(tideR_runtime *rt, tideR_call *call) {
  say("%u", (unsigned)call->serial);
  if (call->serial < 3)
    soon(rt); /* the record is free by now, and used again */
}

TEST(what_a_call_queues_runs_in_the_next_turn) {
  on_calls(rt, call_again);
  soon(rt);
  step(rt);
  CHECK_SAID("1");
  step(rt);
  CHECK_SAID("2");
  run(rt);
  CHECK_SAID("3");
}

TEST(delayed_calls_run_in_the_order_of_their_time) {
  uint64_t start = tideR_now(rt);
  on_calls(rt, say_slot);
  later(rt, 2);
  later(rt, 1);
  later(rt, 2);
  later(rt, -7); /* the past is now */
  run(rt);
  CHECK_SAID("d b a c");
  CHECK_EQ(tideR_now(rt), start + 2 * SECOND);
}

TEST(a_call_without_an_end_can_only_be_cancelled) {
  tideR_call *call = later(rt, 1e300);
  CHECK_EQ(stats(rt).timers, 0);
  run(rt);
  tideR_call_cancel(rt, call);
  CHECK_EQ(call->state, TIDE_CALL_FREE);
}

TEST(a_call_is_cancelled_in_each_state) {
  tideR_call *timed, *queued, *due;
  on_calls(rt, say_slot);
  timed = later(rt, 1);
  tideR_call_cancel(rt, timed);
  tideR_call_cancel(rt, timed); /* free: nothing */
  CHECK_EQ(timed->state, TIDE_CALL_FREE);
  CHECK_EQ(stats(rt).timers, 0);
  queued = soon(rt);
  CHECK(queued == timed);
  soon(rt);
  tideR_call_cancel(rt, queued);
  tideR_call_cancel(rt, queued); /* cancelled: nothing */
  CHECK_EQ(queued->state, TIDE_CALL_CANCELLED);
  run(rt);
  CHECK_SAID("b");
  CHECK_EQ(queued->state, TIDE_CALL_FREE);
  due = later(rt, 1);
  tideR_clock_advance(rt, 1);
  CHECK(tideR_loop_timeout(rt) <= 0);
  tideR_call_cancel(rt, due); /* due, but not queued yet */
  run(rt);
  CHECK_SAID("");
}

static void cancel_all(tideR_runtime *rt, tideR_call *call) {
  tideR_call *other; /* the one queued behind */
  say("%u", (unsigned)call->slot);
  tideR_call_cancel(rt, call); /* it runs: nothing */
  other = tideR_call_find(rt, call->slot + 1, 1);
  CHECK(other != NULL);
  tideR_call_cancel(rt, other);
}

TEST(a_call_cancels_the_next) {
  on_calls(rt, cancel_all);
  soon(rt);
  soon(rt);
  run(rt);
  CHECK_SAID("1");
}

TEST(a_call_is_found_by_its_slot_and_serial) {
  on_calls(rt, say_slot);
  tideR_call *call = soon(rt);
  uint32_t slot = call->slot, serial = call->serial;
  CHECK(tideR_call_find(rt, slot, serial) == call);
  CHECK(tideR_call_find(rt, slot, serial + 1) == NULL);
  run(rt);
  CHECK(tideR_call_find(rt, slot, serial) == NULL);
  CHECK(later(rt, 1) == call); /* the record is used again */
  CHECK(tideR_call_find(rt, slot, serial) == NULL);
  CHECK(tideR_call_find(rt, slot, call->serial) == call);
  tideR_call_cancel(rt, call);
  CHECK(tideR_call_find(rt, slot, call->serial) == NULL);
  call = soon(rt);
  tideR_call_cancel(rt, call);
  CHECK(tideR_call_find(rt, slot, call->serial) == NULL);
  run(rt);
}

static void count(tideR_runtime *rt, tideR_call *call) {
  (void)rt;
  (void)call;
  said[0]++;
}

TEST(a_great_many_calls) {
  static tideR_call *calls[5000];
  on_calls(rt, count);
  for (int i = 0; i < 5000; i++)
    calls[i] = i % 2 == 0 ? soon(rt) : later(rt, i % 7);
  for (int i = 0; i < 5000; i++)
    if (i % 50 != 0 && i % 50 != 1)
      tideR_call_cancel(rt, calls[i]);
  run(rt);
  CHECK_EQ((unsigned char)said[0], 200);
  CHECK_EQ(stats(rt).timers, 0);
}

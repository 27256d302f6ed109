/*
 * test_fs.c: operations of the file system that take their time, are cancelled
 * at any moment, and are under way at a runtime's end.
 *
 * Their kinds are the test's: a thread says what it began with, and waits at a
 * gate.
 */
#include <stdatomic.h>
#include <sys/wait.h>

#include "fs.h"
#include "gate.h"
#include "host_loop.h"

static atomic_int held; /* and not given back */

static void reset(void) {
  shut_gate();
  CHECK_EQ(held, 0);
}

/* ---- kinds ---- */

static int64_t run_once(tideR_fs *op) {
  pass_gate(op->path);
  return 7;
}

static int64_t run_holding(tideR_fs *op) {
  pass_gate(op->path);
  op->holds = true;
  held++;
  return 7;
}

static void give_back_held(tideR_fs *op) {
  (void)op;
  held--;
}

/* As many parts as `flags` says; holds what it cleans up by itself. */
static int64_t run_parts(tideR_fs *op) {
  if (op->state != NULL && atomic_load(&op->stop)) {
    held--;
    op->state = NULL;
    return UV_ECANCELED;
  }
  pass_gate(op->path);
  if (op->state == NULL) {
    held++;
    op->state = op;
  }
  if (++op->offset < op->flags)
    return TIDE_FS_AGAIN;
  held--;
  op->state = NULL;
  return 7;
}

static const tideR_fskind once = {"once", run_once, NULL};
static const tideR_fskind holding = {"holding", run_holding, give_back_held};
static const tideR_fskind parts = {"parts", run_parts, NULL};

static tideR_fs *op_of(tideR_runtime *rt, const tideR_fskind *kind,
                       const char *name) {
  tideR_fs *op = tideR_fs_new(rt, kind, name, strlen(name), NULL, 0);
  CHECK(op != NULL);
  op->flags = 3;
  return op;
}

/* ---- who waits ---- */

/* "a:7", or "a!" if it was cancelled. */
static void awaits(actor *me) {
  tideR_fs *op;
  BEGIN
  op = op_of(me->rt, me->arg, me->name);
  CHECK(!tideR_fs_begin(me->rt, op));
  AWAIT(tideR_fs_park(me->rt, me->task, op, true));
  if (me->raised) {
    say("%s!", me->name);
    return;
  }
  op = tideR_fs_of(me->task);
  tideR_fs_own(me->task, op);
  say("%s:%d", me->name, (int)op->result);
  tideR_fs_take(op);
  if (op->kind == &holding && op->result == 7)
    held--;
  tideR_fs_release(op);
  END
}

static actor *begin(tideR_runtime *rt, const tideR_fskind *kind,
                    const char *name) {
  return spawn_arg(rt, awaits, (void *)kind, name);
}

static void occupy(tideR_runtime *rt) {
  reset();
  begin(rt, &once, "a");
  begin(rt, &once, "b");
  step(rt);
  await_begun(2);
  begun[0] = '\0';
}

/* ---- in line ---- */

TEST(two_run_at_a_time_and_the_others_in_the_order_of_coming) {
  static const char *const names[] = {"c", "d", "e", "f", "g"};
  occupy(rt);
  for (int i = 0; i < 5; i++)
    begin(rt, &once, names[i]);
  step(rt);
  CHECK(tideR_loop_alive(rt));
  for (int i = 0; i < 5; i++) {
    open_gate(1);
    poll_until_begun(rt, 3 + i);
  }
  open_gate(2);
  run(rt);
  CHECK_STR(begun, "cdefg");
  CHECK_EQ(most, 2);
  CHECK_EQ(strlen(said), strlen("a:7 b:7 c:7 d:7 e:7 f:7 g:7"));
  said[0] = '\0';
  CHECK(!tideR_loop_alive(rt));
}

TEST(parts_come_in_turns) {
  reset();
  begin(rt, &parts, "a");
  begin(rt, &parts, "b");
  begin(rt, &once, "c");
  step(rt);
  await_begun(2);
  open_gate(100);
  run(rt);
  CHECK_EQ(strlen(begun), 7);
  CHECK(strchr(begun, 'c') - begun <= 3); /* before their next parts */
  CHECK_EQ(held, 0);
  said[0] = '\0';
}

TEST(slow_ones_keep_no_other_work_waiting) {
  occupy(rt);
  for (int i = 0; i < 20; i++)
    begin(rt, &once, "c");
  step(rt);
  work_meanwhile(rt);
  CHECK_EQ(begun_by_now(), 2);
  open_gate(22);
  run(rt);
  CHECK_EQ(most, 2);
  said[0] = '\0';
}

/* ---- cancelled ---- */

TEST(one_that_waits_in_line_leaves_at_once_and_never_begins) {
  actor *c, *d;
  occupy(rt);
  c = begin(rt, &holding, "c");
  d = begin(rt, &parts, "d");
  begin(rt, &once, "e");
  step(rt);
  tideR_task_cancel(rt, c->task);
  tideR_task_cancel(rt, d->task);
  step(rt);
  CHECK_SAID("c! d!");
  open_gate(3);
  run(rt);
  CHECK_STR(begun, "e");
  CHECK_EQ(held, 0);
  said[0] = '\0';
}

TEST(one_that_runs_is_waited_for_and_delivered) {
  actor *a;
  reset();
  a = begin(rt, &holding, "a");
  step(rt);
  await_begun(1);
  tideR_task_cancel(rt, a->task);
  step(rt);
  CHECK_SAID("");
  open_gate(1);
  run(rt);
  CHECK_SAID("a:7");
  CHECK_EQ(held, 0);
}

TEST(one_of_parts_stops_after_the_one_that_runs) {
  actor *a;
  reset();
  a = begin(rt, &parts, "a");
  step(rt);
  await_begun(1);
  tideR_task_cancel(rt, a->task);
  open_gate(1);
  run(rt);
  CHECK_SAID("a!");
  CHECK_EQ(begun_by_now(), 1);
  CHECK_EQ(held, 0);
}

/* It is in line with a part done: it is first then, to clean up. */
TEST(one_of_parts_that_waits_in_line_stops_there) {
  actor *a;
  reset();
  a = begin(rt, &parts, "a");
  begin(rt, &once, "b");
  begin(rt, &once, "c");
  begin(rt, &once, "d");
  step(rt);
  await_begun(2);
  open_gate(2);
  poll_until_begun(rt, 4);
  CHECK_STR(begun + 2, "cd");
  tideR_task_cancel(rt, a->task);
  open_gate(2);
  run(rt);
  CHECK(strstr(said, "a!") != NULL);
  CHECK_EQ(begun_by_now(), 4);
  CHECK_EQ(held, 0);
  said[0] = '\0';
}

/* libuv has it, too, while the pool's threads are other runtimes'. */
TEST(one_that_no_thread_has_begun_is_taken_back) {
  tideR_runtime *others[2] = {runtime_new(), runtime_new()};
  actor *c;
  occupy(others[0]);
  begin(others[1], &once, "x");
  begin(others[1], &once, "y");
  step(others[1]);
  await_begun(4);
  c = begin(rt, &holding, "c");
  step(rt);
  tideR_task_cancel(rt, c->task);
  run(rt);
  CHECK_SAID("c!");
  open_gate(4);
  run(others[0]);
  run(others[1]);
  CHECK_EQ(begun_by_now(), 4);
  said[0] = '\0';
  runtime_free(others[0]);
  runtime_free(others[1]);
}

TEST(many_of_which_every_third_is_cancelled_leave_nothing) {
  static const tideR_fskind *const kinds[] = {&once, &holding, &parts};
  actor *all[60];
  reset();
  for (int i = 0; i < 60; i++)
    all[i] = begin(rt, kinds[i / 3 % 3], "x");
  step(rt);
  for (int i = 0; i < 60; i += 3)
    tideR_task_cancel(rt, all[i]->task);
  open_gate(1000);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK(most <= 2);
  CHECK_EQ(held, 0);
  said[0] = '\0';
}

/* ---- nobody is there any more ---- */

TEST(what_is_released_is_given_back) {
  tideR_fs *all[4];
  reset();
  for (int i = 0; i < 4; i++) {
    all[i] = op_of(rt, i == 1 ? &parts : &holding, "x");
    CHECK(!tideR_fs_begin(rt, all[i]));
  }
  await_begun(2);
  for (int i = 0; i < 4; i++)
    tideR_fs_release(all[i]);
  tideR_fs_release(op_of(rt, &once, "y"));
  open_gate(2);
  run(rt);
  CHECK_EQ(begun_by_now(), 2);
  CHECK_EQ(held, 0);
}

TEST(what_ended_and_is_released_is_given_back) {
  tideR_fs *op;
  reset();
  op = op_of(rt, &holding, "x");
  open_gate(1);
  CHECK(!tideR_fs_begin(rt, op));
  while (tideR_fs_busy(op))
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
  CHECK_EQ(held, 1);
  tideR_fs_release(op);
  run(rt);
  CHECK_EQ(held, 0);
}

TEST(one_whose_task_is_given_up_is_given_back) {
  actor *a, *b;
  reset();
  a = begin(rt, &holding, "a");
  b = begin(rt, &holding, "b");
  step(rt);
  await_begun(2);
  tideR_task_give_up(rt, a->task); /* while it waits; and when it was woken: */
  open_gate(2);
  while (b->task->state == TIDE_TASK_PARKED)
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
  tideR_task_give_up(rt, b->task);
  run(rt);
  CHECK_EQ(held, 0);
  said[0] = '\0';
}

/* An object's: it is closed by another task than the one that waits. */
static void waits_for_object(actor *me) {
  BEGIN
  AWAIT(tideR_fs_park(me->rt, me->task, me->arg, false));
  say("woken%s", me->raised ? "!" : "");
  END
}

TEST(who_waits_for_what_is_released_is_woken) {
  tideR_fs *op = op_of(rt, &holding, "x");
  reset();
  CHECK(!tideR_fs_begin(rt, op));
  spawn_arg(rt, waits_for_object, op, "a");
  step(rt);
  await_begun(1);
  tideR_fs_release(op);
  step(rt);
  CHECK_SAID("woken");
  open_gate(1);
  run(rt);
  CHECK_EQ(held, 0);
}

/* It would be told that what it was woken with is lost; there is nothing, and
 * nobody, to tell. */
TEST(who_was_woken_and_dies_does_not_look_at_what_was_released_since) {
  tideR_fs *op = op_of(rt, &once, "x");
  actor *a;
  reset();
  open_gate(1);
  CHECK(!tideR_fs_begin(rt, op));
  a = spawn_arg(rt, waits_for_object, op, "a");
  step(rt);
  while (a->task->state == TIDE_TASK_PARKED)
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
  tideR_fs_release(op);
  dies(rt, a);
}

TEST(an_object_may_begin_again) {
  tideR_fs *op = op_of(rt, &holding, "x");
  reset();
  open_gate(3);
  for (int i = 0; i < 3; i++) {
    tideR_fs_renew(op, &once);
    CHECK(!tideR_fs_begin(rt, op));
    while (tideR_fs_busy(op))
      uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
    CHECK_EQ(op->result, 7);
  }
  tideR_fs_release(op);
  run(rt);
}

TEST(a_name_with_a_zero_never_begins) {
  tideR_fs *op = tideR_fs_new(rt, &once, "x\0y", 3, NULL, 0);
  reset();
  CHECK(tideR_fs_begin(rt, op));
  CHECK_EQ(op->result, UV_EINVAL);
  tideR_fs_release(op);
  CHECK_EQ(begun_by_now(), 0);
}

/* ---- the end ---- */

TEST(an_end_waits_for_those_that_run_and_gives_all_back) {
  tideR_runtime *mine = runtime_new();
  tideR_fs *kept;
  uv_thread_t opener;
  reset();
  begin(mine, &parts, "p");
  begin(mine, &parts, "q");
  step(mine);
  await_begun(2);
  kept = op_of(mine, &holding, "k");
  CHECK(!tideR_fs_begin(mine, kept));
  begin(mine, &holding, "c");
  begin(mine, &once, "d");
  step(mine);
  open_gate(1);
  poll_until_begun(mine, 3); /* one of the parts is in line again */
  uv_thread_create(&opener, open_later, NULL);
  runtime_free(mine);
  uv_thread_join(&opener);
  CHECK_SAID("");
  CHECK_EQ(begun_by_now(), 3);
  tideR_fs_release(kept);
  CHECK_EQ(held, 0);
}

TEST(on_a_hosts_loop_the_end_is_later) {
  tideR_runtime *mine = borrow();
  reset();
  begin(mine, &holding, "a");
  uv_run(&host, UV_RUN_NOWAIT);
  await_begun(1);
  free_on(mine);
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK(!is_freed);
  open_gate(1);
  run_host();
  CHECK(is_freed);
  CHECK_SAID("");
  CHECK_EQ(held, 0);
  end_host();
}

TEST(an_end_in_the_child_of_a_fork_waits_for_none) {
  tideR_fs *kept;
  int status = -1;
  pid_t child;
  reset();
  kept = op_of(rt, &holding, "k");
  CHECK(!tideR_fs_begin(rt, kept));
  begin(rt, &parts, "b");
  begin(rt, &holding, "c");
  step(rt);
  await_begun(2);
  fflush(stdout);
  child = fork();
  if (child == 0) {
    alarm(TEST_SECONDS); /* it hangs, or not */
    tideR_fs *late = op_of(rt, &once, "late");
    CHECK(tideR_fs_begin(rt, late));
    CHECK_EQ(late->result, UV_ECANCELED);
    tideR_fs_release(late);
    runtime_free(rt);
    tideR_fs_release(kept);
    _exit(test_failures > 0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  open_gate(100);
  run(rt);
  tideR_fs_release(kept);
  run(rt);
  CHECK_EQ(held, 0);
  said[0] = '\0';
}

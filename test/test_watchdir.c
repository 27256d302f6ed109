/* test_watchdir.c: changes that who was woken for them did not come for. */
#include "test.h"

#include "watchdir.h"

static char directory[64];

static void reader(actor *me) {
  tideR_watchdir *watch = me->arg;
  tideR_changekind kind;
  const char *name;
  size_t length;
  int err;
  BEGIN
  if (!tideR_watchdir_ready(watch))
    AWAIT(tideR_watchdir_park(me->rt, me->task, watch));
  if (me->raised) {
    say("%s!", me->name);
    return;
  }
  err = tideR_watchdir_see(watch, &kind, &name, &length);
  if (err < 0)
    say("%s:%s", me->name, uv_err_name(err));
  else
    say("%s:%d:%.*s", me->name, (int)kind, (int)length, name);
  tideR_watchdir_take(watch);
  END
}

static tideR_watchdir *open_watch(tideR_runtime *rt, size_t limit) {
  tideR_watchdir *watch = NULL;
  strcpy(directory, "/tmp/tide-test-XXXXXX");
  CHECK(mkdtemp(directory) != NULL);
  CHECK_EQ(tideR_watchdir_new(rt, directory, limit, &watch), 0);
  return watch;
}

static void touch(const char *name, bool stays) {
  char path[128];
  FILE *file;
  snprintf(path, sizeof path, "%s/%s", directory, name);
  file = fopen(path, "w");
  CHECK(file != NULL);
  fclose(file);
  if (!stays)
    unlink(path);
}

static void done(tideR_watchdir *watch) {
  tideR_handle_release(&watch->handle);
  rmdir(directory);
}

TEST(a_change_is_the_next_ones_if_who_was_woken_dies) {
  tideR_watchdir *watch = open_watch(rt, 10);
  actor *a = spawn_arg(rt, reader, watch, "a");
  step(rt);
  CHECK(watch->busy);
  touch("f", false);
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  CHECK_EQ(watch->count, 1);
  dies(rt, a);
  CHECK(!watch->busy);
  spawn_arg(rt, reader, watch, "b");
  run(rt);
  CHECK_SAID("b:2:f");
  done(watch);
}

TEST(as_many_events_as_the_system_keeps_are_told_as_a_loss) {
  tideR_watchdir *watch = open_watch(rt, 10);
  spawn_arg(rt, reader, watch, "a");
  step(rt); /* it waits: else libuv has nothing to poll for */
  for (int i = 0; i < 9000; i++)
    touch(i % 2 == 0 ? "f" : "g", false);
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  CHECK(watch->lost);
  run(rt);
  CHECK_SAID("a:3:");
  done(watch);
}

TEST(an_error_of_one_that_another_has_replaced_is_a_loss) {
  tideR_watchdir *watch = open_watch(rt, 10);
  char other[] = "/tmp/tide-test-XXXXXX";
  CHECK(mkdtemp(other) != NULL);
  CHECK_EQ(rename(other, directory), 0);
  watch->uv.cb(&watch->uv, NULL, 0, UV_EPERM); /* as on some systems */
  CHECK_EQ(watch->failure, 0);
  CHECK(watch->lost);
  done(watch);
}

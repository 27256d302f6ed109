/* remotes.h: what the tests of remotes share. */
#ifndef TIDE_TEST_REMOTES_H
#define TIDE_TEST_REMOTES_H

#include <poll.h>

#include "test.h"

static inline tideR_remote *remote_new(tideR_runtime *rt) {
  tideR_remote *remote = tideR_remote_new(rt);
  CHECK(remote != NULL);
  return remote;
}

/* What is posted is a word, mostly: it is said. */
static inline void say_it(struct tide_runtime *rt, void *arg) {
  say("%s%s", (const char *)arg, rt != NULL ? "" : "-");
}

static inline void post(tideR_remote *remote, char *word) {
  CHECK_EQ(tideR_remote_post(remote, say_it, word), 0);
}

static inline void post_word(void *remote) {
  post(remote, "posted");
}

static inline void count(struct tide_runtime *rt, void *arg) {
  (void)rt;
  ++*(int *)arg;
}

static inline void post_counts(tideR_remote *remote, int n, int *counter) {
  for (int i = 0; i < n; i++)
    CHECK_EQ(tideR_remote_post(remote, count, counter), 0);
}

static inline void on_posts(tideR_runtime *rt,
                            bool (*on_post)(tideR_runtime *rt,
                                            const tideR_post *post)) {
  ((world *)tideR_runtime_data(rt))->on_post = on_post;
}

static inline bool is_readable(tideR_runtime *rt) {
  struct pollfd look = {.fd = tideR_loop_fd(rt), .events = POLLIN};
  return poll(&look, 1, 0) == 1;
}

#endif

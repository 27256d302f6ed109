/*
 * gate.h: what the pool's threads wait at, so that a test decides when their
 * work ends: each says what it began with, and how many are at it is counted.
 */
#ifndef TIDE_TEST_GATE_H
#define TIDE_TEST_GATE_H

#include "handle.h"
#include "test.h"

__attribute__((constructor)) static void pool_of_four(void) {
  setenv("UV_THREADPOOL_SIZE", "4", 1);
}

static uv_mutex_t lock;
static uv_cond_t changed;
static char begun[256]; /* names, in order */
static int begun_count, running, most, open_count;

__attribute__((constructor)) static void make_gate(void) {
  uv_mutex_init(&lock);
  uv_cond_init(&changed);
}

/* In a thread. */
static inline void pass_gate(const char *name) {
  uv_mutex_lock(&lock);
  strcat(begun, name);
  begun_count++;
  if (++running > most)
    most = running;
  uv_cond_broadcast(&changed);
  while (open_count == 0)
    uv_cond_wait(&changed, &lock);
  open_count--;
  running--;
  uv_mutex_unlock(&lock);
}

/* So many pass. */
static inline void open_gate(int n) {
  uv_mutex_lock(&lock);
  open_count += n;
  uv_cond_broadcast(&changed);
  uv_mutex_unlock(&lock);
}

/* Of a thread of the test's own. */
static inline void open_later(void *arg) {
  (void)arg;
  uv_sleep(20);
  open_gate(100);
}

/* Until so many have come to it. */
static inline void await_begun(int n) {
  uv_mutex_lock(&lock);
  while (begun_count < n)
    uv_cond_wait(&changed, &lock);
  uv_mutex_unlock(&lock);
}

static inline int begun_by_now(void) {
  int n;
  uv_mutex_lock(&lock);
  n = begun_count;
  uv_mutex_unlock(&lock);
  return n;
}

static inline void poll_until_begun(tideR_runtime *rt, int n) {
  while (begun_by_now() < n) {
    uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
    uv_sleep(1);
  }
}

static inline void shut_gate(void) {
  begun[0] = '\0';
  begun_count = most = open_count = 0;
  CHECK_EQ(running, 0);
}

/* ---- other work of the pool's ---- */

typedef struct job {
  tideR_work work;
  bool ended;
} job;

static inline void work_nothing(tideR_work *work) {
  (void)work;
}

static inline void after_work(tideR_work *work, int status) {
  CHECK_EQ(status, 0);
  ((job *)work)->ended = true;
}

/* A thread is free for it, or this hangs. */
static inline void work_meanwhile(tideR_runtime *rt) {
  job other = {{.work = work_nothing, .after = after_work}, false};
  CHECK_EQ(tideR_work_start(rt, &other.work), 0);
  while (!other.ended)
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
}

#endif

/*
 * descriptor.c: tasks that wait for descriptors of others.
 *
 * Each number has a record from when it was first waited for until it is
 * forgotten, or a cancel has left nobody there. The owner may close it and the
 * system give its number to another at any time: how that is noticed is the
 * watch's affair, see watchset.c.
 *
 * What a task was woken by is told by its wait, which is one of `outcomes` from
 * then on: so the record is free, whatever comes before the task runs.
 */
#include "descriptor.h"

#include <stdlib.h>

#include "internal.h"

enum { READER, WRITER };

/* Events, or negative. */
static const int results[] = {
    TIDE_READABLE, TIDE_WRITABLE, TIDE_READABLE | TIDE_WRITABLE,
    UV_ECANCELED,  UV_EBADF,      UV_EMFILE,
    UV_ENFILE,     UV_ENOSPC,     UV_EEXIST,
    UV_EINVAL,     UV_ENOTSOCK,   UV_ELOOP,
    UV_EACCES,     UV_UNKNOWN};
#define RESULTS (sizeof results / sizeof *results)

static const tideR_waitkind over = {"poll", NULL, NULL};
static tideR_wait outcomes[RESULTS] = {
    {&over}, {&over}, {&over}, {&over}, {&over}, {&over}, {&over},
    {&over}, {&over}, {&over}, {&over}, {&over}, {&over}, {&over}};

tideR_wait *tideR_descriptor_ended(int outcome) {
  size_t i = 0;
  while (i < RESULTS - 1 && results[i] != outcome)
    i++;
  return &outcomes[i];
}

int tideR_descriptor_outcome(const tideR_task *task) {
  return results[task->wait - outcomes];
}

/* ---- records ---- */

static size_t bucket_of(const tideR_descriptors *all, uv_os_sock_t fd) {
  return (size_t)fd & (all->room - 1);
}

tideR_descriptor *tideR__descriptor_find(const tideR_descriptors *all,
                                         uv_os_sock_t fd) {
  tideR_descriptor *it = NULL;
  if (all->room > 0)
    it = all->buckets[bucket_of(all, fd)];
  while (it != NULL && it->fd != fd)
    it = it->next;
  return it;
}

static bool reserve(tideR_descriptors *all) {
  size_t room = all->room > 0 ? 2 * all->room : 16, old_room = all->room;
  tideR_descriptor **buckets, **old = all->buckets;
  if (all->count < all->room)
    return true;
  buckets = calloc(room, sizeof(tideR_descriptor *));
  if (buckets == NULL)
    return false;
  all->buckets = buckets;
  all->room = room;
  for (size_t i = 0; i < old_room; i++)
    for (tideR_descriptor *it = old[i], *next; it != NULL; it = next) {
      tideR_descriptor **bucket = &buckets[bucket_of(all, it->fd)];
      next = it->next;
      it->next = *bucket;
      *bucket = it;
    }
  free(old);
  return true;
}

static bool abort_poll(tideR_runtime *rt, tideR_task *task, tideR_status why);

static tideR_descriptor *new_record(tideR_descriptors *all, uv_os_sock_t fd) {
  static const tideR_waitkind kind = {"poll", abort_poll, NULL};
  tideR_descriptor *it = reserve(all) ? calloc(1, sizeof *it) : NULL;
  tideR_descriptor **bucket;
  if (it == NULL)
    return NULL;
  bucket = &all->buckets[bucket_of(all, fd)];
  it->wait.kind = &kind;
  it->fd = fd;
  it->next = *bucket;
  *bucket = it;
  all->count++;
  return it;
}

static void drop(tideR_descriptors *all, tideR_descriptor *it) {
  tideR_descriptor **link = &all->buckets[bucket_of(all, it->fd)];
  while (*link != it)
    link = &(*link)->next;
  *link = it->next;
  all->count--;
  tideR__watch_drop(all, it);
  free(it);
}

/* ---- who waits ---- */

int tideR__descriptor_wanted(const tideR_descriptor *it) {
  return (it->waiters[READER] != NULL ? TIDE_READABLE : 0) |
         (it->waiters[WRITER] != NULL ? TIDE_WRITABLE : 0);
}

static void enter(tideR_descriptors *all, tideR_descriptor *it,
                  tideR_task *task, int events) {
  if (events & TIDE_READABLE)
    it->waiters[READER] = task;
  if (events & TIDE_WRITABLE)
    it->waiters[WRITER] = task;
  if (all->waiting++ == 0)
    tideR__watch_idle(all, false);
}

static void leave(tideR_descriptors *all, tideR_descriptor *it,
                  const tideR_task *task) {
  for (int i = READER; i <= WRITER; i++)
    if (it->waiters[i] == task)
      it->waiters[i] = NULL;
  if (--all->waiting == 0)
    tideR__watch_idle(all, true);
}

static void wake(tideR_descriptors *all, tideR_descriptor *it, tideR_task *task,
                 int outcome) {
  leave(all, it, task);
  task->wait = tideR_descriptor_ended(outcome);
  tideR_wake(all->rt, task, TIDE_WOKEN);
}

static void wake_all(tideR_descriptors *all, tideR_descriptor *it,
                     const tideR_task *but, int outcome) {
  for (int i = READER; i <= WRITER; i++)
    if (it->waiters[i] != NULL && it->waiters[i] != but)
      wake(all, it, it->waiters[i], outcome);
}

void tideR__descriptor_lose(tideR_descriptors *all, tideR_descriptor *it,
                            const tideR_task *but) {
  wake_all(all, it, but, UV_EBADF);
}

void tideR__descriptor_fire(tideR_descriptors *all, tideR_descriptor *it,
                            int events) {
  tideR_task *reader = it->waiters[READER], *writer = it->waiters[WRITER];
  if (reader == writer) {
    if (reader != NULL && events != 0)
      wake(all, it, reader, events);
  } else {
    if (reader != NULL && events & TIDE_READABLE)
      wake(all, it, reader, TIDE_READABLE);
    if (writer != NULL && events & TIDE_WRITABLE)
      wake(all, it, writer, TIDE_WRITABLE);
  }
  if (tideR__descriptor_wanted(it) != 0 && tideR__watch(all, it, NULL) < 0)
    tideR__descriptor_lose(all, it, NULL);
}

static bool abort_poll(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  tideR_descriptors *all = rt->descriptors;
  tideR_descriptor *it = CONTAINER(task->wait, tideR_descriptor, wait);
  (void)why;
  leave(all, it, task);
  task->wait = tideR_descriptor_ended(UV_ECANCELED);
  tideR__unwatch(all, it);
  if (tideR__descriptor_wanted(it) == 0)
    drop(all, it);
  else if (tideR__watch(all, it, NULL) < 0)
    tideR__descriptor_lose(all, it, NULL);
  return true;
}

/* ---- what is public ---- */

static tideR_descriptors *open_all(tideR_runtime *rt, int *err) {
  tideR_descriptors *all = rt->descriptors;
  if (all != NULL)
    return all;
  *err = UV_ENOMEM;
  all = calloc(1, sizeof *all);
  if (all == NULL)
    return NULL;
  all->rt = rt;
  *err = tideR__watch_open(all);
  if (*err < 0) {
    free(all);
    return NULL;
  }
  return rt->descriptors = all;
}

/* Another task waits for that, and not for a file that is no more. */
static bool is_busy(tideR_descriptors *all, tideR_descriptor *it, int events) {
  if ((tideR__descriptor_wanted(it) & events) == 0)
    return false;
  if (!tideR__watch_lost(all, it))
    return true;
  tideR__descriptor_lose(all, it, NULL);
  return false;
}

int tideR_descriptor_park(tideR_runtime *rt, tideR_task *task, uv_os_sock_t fd,
                          int events) {
  int err = tideR__permit(rt, "poll");
  tideR_descriptors *all = err == 0 ? open_all(rt, &err) : NULL;
  tideR_descriptor *it;
  if (all == NULL)
    return err;
  tideR_unpark(rt, task); /* its yield failed */
  it = tideR__descriptor_find(all, fd);
  if (it != NULL && is_busy(all, it, events))
    return UV_EBUSY;
  if (it == NULL)
    it = new_record(all, fd);
  if (it == NULL)
    return UV_ENOMEM;
  enter(all, it, task, events);
  err = tideR__watch(all, it, task);
  if (err == 0) {
    tideR_park(rt, task, &it->wait);
    return 0;
  }
  leave(all, it, task);
  tideR__descriptor_lose(all, it, NULL);
  drop(all, it);
  return err == UV_EPERM ? events : err;
}

void tideR_descriptor_forget(tideR_runtime *rt, uv_os_sock_t fd) {
  tideR_descriptors *all = rt->descriptors;
  tideR_descriptor *it = NULL;
  if (all != NULL)
    it = tideR__descriptor_find(all, fd);
  if (it == NULL)
    return;
  wake_all(all, it, NULL, UV_ECANCELED);
  tideR__unwatch(all, it);
  drop(all, it);
}

/* ---- the runtime's side ---- */

void tideR__descriptors_closing(tideR_runtime *rt, const uv_handle_t *handle) {
  uv_os_fd_t fd;
  if (rt->descriptors != NULL && uv_fileno(handle, &fd) == 0)
    tideR_descriptor_forget(rt, (uv_os_sock_t)fd);
}

bool tideR__descriptors_active(const tideR_runtime *rt) {
  return rt->descriptors != NULL && rt->descriptors->waiting > 0;
}

void tideR__descriptors_end(tideR_runtime *rt) {
  tideR_descriptors *all = rt->descriptors;
  if (all == NULL)
    return;
  rt->descriptors = NULL;
  for (size_t i = 0; i < all->room; i++)
    while (all->buckets[i] != NULL)
      drop(all, all->buckets[i]);
  free(all->buckets);
  tideR__watch_close(all);
}

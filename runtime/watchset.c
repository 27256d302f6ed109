/*
 * watchset.c: descriptors of others are watched by an epoll set of our own,
 * which libuv polls as one.
 *
 * libuv keeps what it polls by its number. One that is closed meanwhile makes
 * it abort, or its number is given to a stream of libuv's own, whose events
 * then go astray. Here the system says at once what is wrong with one, and
 * forgets by itself what is closed. Each is told of once: a file that lives on
 * after its number was closed, since a child has it too, is told of once more
 * at most, and its mark is no longer the record's.
 */
#include "descriptor.h"
#include "internal.h"

#ifdef TIDE_WATCHSET
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define AT_ONCE 64

static void deliver(tideR_descriptors *all, const struct epoll_event *event) {
  uint32_t fd = (uint32_t)event->data.u64, mark = event->data.u64 >> 32;
  tideR_descriptor *it = tideR__descriptor_find(all, (int)fd);
  int events = 0;
  if (it == NULL || it->mark != mark)
    return;
  if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
    events |= TIDE_READABLE;
  if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
    events |= TIDE_WRITABLE;
  tideR__descriptor_fire(all, it, events & tideR__descriptor_wanted(it));
}

/* What does not fit is told of in the next iteration. */
static void on_ready(uv_poll_t *poll, int status, int events) {
  tideR_descriptors *all = poll->data;
  struct epoll_event got[AT_ONCE];
  int n = epoll_wait(all->set, got, AT_ONCE, 0);
  (void)status;
  (void)events;
  for (int i = 0; i < n; i++)
    deliver(all, &got[i]);
}

int tideR__watch_open(tideR_descriptors *all) {
  int err;
  all->set = epoll_create1(EPOLL_CLOEXEC);
  if (all->set < 0)
    return uv_translate_sys_error(errno);
  err = uv_poll_init(all->rt->uv, &all->poll, all->set);
  if (err < 0) {
    close(all->set);
    return err;
  }
  all->poll.data = all;
  uv_poll_start(&all->poll, UV_READABLE, on_ready);
  uv_unref((uv_handle_t *)&all->poll);
  tideR__handle_opened(all->rt);
  return 0;
}

/* The child of a fork has the parent's set, and may not change that. */
static int control(tideR_descriptors *all, tideR_descriptor *it, int what) {
  int wanted = tideR__descriptor_wanted(it);
  struct epoll_event event = {.events = EPOLLONESHOT};
  if (tideR_loop_forked(all->rt))
    return UV_ECANCELED;
  if (wanted & TIDE_READABLE)
    event.events |= EPOLLIN;
  if (wanted & TIDE_WRITABLE)
    event.events |= EPOLLOUT;
  event.data.u64 = (uint64_t)it->mark << 32 | (uint32_t)it->fd;
  if (epoll_ctl(all->set, what, it->fd, &event) == 0)
    return 0;
  return uv_translate_sys_error(errno);
}

/* One that is not known any more was closed. One that is known although it was
 * not listed is a file that has come back to its number. */
int tideR__watch(tideR_descriptors *all, tideR_descriptor *it,
                 const tideR_task *who) {
  int err;
  if (it->listed) {
    err = control(all, it, EPOLL_CTL_MOD);
    if (err != UV_ENOENT)
      return err;
    tideR__descriptor_lose(all, it, who);
    it->listed = false;
    if (tideR__descriptor_wanted(it) == 0)
      return 0;
  }
  it->mark = ++all->marks;
  err = control(all, it, EPOLL_CTL_ADD);
  if (err == UV_EEXIST)
    err = control(all, it, EPOLL_CTL_MOD);
  it->listed = err == 0;
  return err;
}

bool tideR__watch_lost(tideR_descriptors *all, tideR_descriptor *it) {
  return !it->listed || control(all, it, EPOLL_CTL_MOD) < 0;
}

void tideR__unwatch(tideR_descriptors *all, tideR_descriptor *it) {
  if (it->listed)
    control(all, it, EPOLL_CTL_DEL);
  it->listed = false;
}

void tideR__watch_drop(tideR_descriptors *all, tideR_descriptor *it) {
  (void)all;
  (void)it;
}

void tideR__watch_idle(tideR_descriptors *all, bool idle) {
  if (idle)
    uv_unref((uv_handle_t *)&all->poll);
  else
    uv_ref((uv_handle_t *)&all->poll);
}

static void on_close(uv_handle_t *handle) {
  tideR_descriptors *all = handle->data;
  tideR_runtime *rt = all->rt;
  free(all);
  tideR__handle_closed(rt);
}

void tideR__watch_close(tideR_descriptors *all) {
  uv_close((uv_handle_t *)&all->poll, on_close);
  close(all->set);
}

#endif

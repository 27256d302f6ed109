/*
 * watchuv.c: descriptors of others are watched by libuv, where there is no set
 * of our own: see watchset.c.
 *
 * A handle is started while somebody waits, and at no other time: libuv must
 * not meet the number of one that was closed. It stays, stopped, for the next
 * time.
 */
#include <stdlib.h>

#include "descriptor.h"
#include "internal.h"

#ifndef TIDE_WATCHSET

typedef struct tideR_watching {
  uv_poll_t poll;
  tideR_descriptors *all;
  tideR_descriptor *of; /* NULL: it has been dropped */
  tideR_runtime *rt;
} tideR_watching;

static void on_close(uv_handle_t *handle) {
  tideR_watching *watching = handle->data;
  tideR_runtime *rt = watching->rt;
  free(watching);
  tideR__handle_closed(rt);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  tideR_watching *watching = poll->data;
  int ready = 0;
  uv_poll_stop(poll);
  if (status < 0 || events & UV_READABLE)
    ready |= TIDE_READABLE;
  if (status < 0 || events & UV_WRITABLE)
    ready |= TIDE_WRITABLE;
  tideR__descriptor_fire(watching->all, watching->of,
                         ready & tideR__descriptor_wanted(watching->of));
}

int tideR__watch_open(tideR_descriptors *all) {
  (void)all;
  return 0;
}

static int open_watching(tideR_descriptors *all, tideR_descriptor *it) {
  tideR_watching *watching = calloc(1, sizeof *watching);
  int err;
  if (watching == NULL)
    return UV_ENOMEM;
#ifdef _WIN32
  err = uv_poll_init_socket(all->rt->uv, &watching->poll, it->fd);
#else
  err = uv_poll_init(all->rt->uv, &watching->poll, it->fd);
#endif
  if (err < 0) {
    free(watching);
    return err;
  }
  watching->poll.data = watching;
  watching->all = all;
  watching->of = it;
  watching->rt = all->rt;
  tideR__handle_opened(all->rt);
  it->watching = watching;
  return 0;
}

int tideR__watch(tideR_descriptors *all, tideR_descriptor *it,
                 const tideR_task *who) {
  int wanted = tideR__descriptor_wanted(it), events = 0, err = 0;
  (void)who;
  if (it->watching == NULL)
    err = open_watching(all, it);
  if (err < 0)
    return err;
  if (wanted & TIDE_READABLE)
    events |= UV_READABLE;
  if (wanted & TIDE_WRITABLE)
    events |= UV_WRITABLE;
  return uv_poll_start(&it->watching->poll, events, on_ready);
}

bool tideR__watch_lost(tideR_descriptors *all, tideR_descriptor *it) {
  (void)all;
  (void)it;
  return false;
}

void tideR__unwatch(tideR_descriptors *all, tideR_descriptor *it) {
  tideR__loop_mend(all->rt);
  if (it->watching != NULL)
    uv_poll_stop(&it->watching->poll);
}

void tideR__watch_drop(tideR_descriptors *all, tideR_descriptor *it) {
  tideR__loop_mend(all->rt);
  if (it->watching != NULL)
    uv_close((uv_handle_t *)&it->watching->poll, on_close);
  it->watching = NULL;
}

void tideR__watch_idle(tideR_descriptors *all, bool idle) {
  (void)all;
  (void)idle;
}

void tideR__watch_close(tideR_descriptors *all) {
  free(all);
}

#endif

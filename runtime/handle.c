/*
 * handle.c: what is open: the runtime lists it and closes it at its end.
 *
 * The user is one owner; libuv is another from the init of a handle until its
 * close callback. The memory goes with the last of them.
 */
#include "internal.h"

static void list(tideR_handle **list, tideR_handle *handle) {
  handle->next = *list;
  handle->link = list;
  if (handle->next != NULL)
    handle->next->link = &handle->next;
  *list = handle;
}

static void unlist(tideR_handle *handle) {
  *handle->link = handle->next;
  if (handle->next != NULL)
    handle->next->link = handle->link;
}

void tideR__handle_init(tideR_runtime *rt, tideR_handle *handle,
                        const tideR_handlekind *kind) {
  handle->kind = kind;
  handle->rt = rt;
  handle->owners = 1;
  handle->closed = handle->stays = false;
  list(&rt->open, handle);
}

void tideR__handle_keep(tideR_handle *handle) {
  handle->owners++;
  tideR__handle_opened(handle->rt);
}

void tideR__handle_drop(tideR_handle *handle) {
  if (--handle->owners > 0)
    return;
  if (handle->rt != NULL)
    unlist(handle);
  handle->kind->free(handle);
}

void tideR__handle_done(tideR_handle *handle) {
  tideR_runtime *rt = handle->rt;
  tideR__handle_drop(handle);
  tideR__handle_closed(rt); /* it may be the last of an ended runtime */
}

/* Until its user lets go of it, which may be the collector, it is not to be
 * looked at each time. */
void tideR__handle_shut(tideR_handle *handle) {
  handle->closed = true;
  unlist(handle);
  list(&handle->rt->shut, handle);
}

void tideR_handle_close(tideR_handle *handle) {
  if (handle->closed)
    return;
  tideR__handle_shut(handle);
  tideR__loop_mend(handle->rt);
  handle->kind->close(handle);
}

void tideR_handle_release(tideR_handle *handle) {
  tideR_handle_close(handle);
  tideR__handle_drop(handle);
}

void tideR__handles_end(tideR_runtime *rt) {
  while (rt->open != NULL) /* frees nothing: libuv has it yet, or the user */
    tideR_handle_close(rt->open);
}

static void orphan(tideR_handle **list) {
  while (*list != NULL) {
    tideR_handle *handle = *list;
    unlist(handle);
    if (handle->kind->orphan != NULL)
      handle->kind->orphan(handle);
    handle->rt = NULL;
  }
}

/* Those that their users have kept. */
void tideR__handles_orphan(tideR_runtime *rt) {
  orphan(&rt->open);
  orphan(&rt->shut);
}

bool tideR__handles_active(const tideR_runtime *rt) {
  for (const tideR_handle *it = rt->open; it != NULL; it = it->next)
    if (it->kind->active(it))
      return true;
  return false;
}

static uint32_t count(const tideR_runtime *rt, bool active) {
  uint32_t n = 0;
  for (const tideR_handle *it = rt->open; it != NULL; it = it->next)
    n += (!active && !it->stays) || it->kind->active(it);
  return n;
}

/* What is open, and what else keeps the loop alive. */
uint64_t tideR__handles_open(const tideR_runtime *rt) {
  uint64_t others = rt->uv->active_handles - count(rt, true);
  if (rt->is_borrowed)
    others = tideR__descriptors_active(rt);
  return count(rt, false) + others;
}

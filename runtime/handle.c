/*
 * handle.c: what is open: the runtime lists it and closes it at its end.
 *
 * The user is one owner; libuv is another from the init of a handle until its
 * close callback. The memory goes with the last of them.
 */
#include "internal.h"

void tideR__handle_init(tideR_runtime *rt, tideR_handle *handle,
                        const tideR_handlekind *kind) {
  handle->kind = kind;
  handle->rt = rt;
  handle->owners = 1;
  handle->closed = handle->stays = false;
  handle->next = rt->open;
  handle->link = &rt->open;
  if (handle->next != NULL)
    handle->next->link = &handle->next;
  rt->open = handle;
}

void tideR__handle_keep(tideR_handle *handle) {
  handle->owners++;
  tideR__handle_opened(handle->rt);
}

static void unlist(tideR_handle *handle) {
  *handle->link = handle->next;
  if (handle->next != NULL)
    handle->next->link = handle->link;
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

void tideR_handle_close(tideR_handle *handle) {
  if (handle->closed)
    return;
  handle->closed = true;
  tideR__loop_mend(handle->rt);
  handle->kind->close(handle);
}

void tideR_handle_release(tideR_handle *handle) {
  tideR_handle_close(handle);
  tideR__handle_drop(handle);
}

void tideR__handles_end(tideR_runtime *rt) {
  for (tideR_handle *it = rt->open; it != NULL; it = it->next)
    tideR_handle_close(it); /* frees nothing: libuv has it yet, or the user */
}

/* Those that their users have kept. */
void tideR__handles_orphan(tideR_runtime *rt) {
  while (rt->open != NULL) {
    tideR_handle *handle = rt->open;
    unlist(handle);
    if (handle->kind->orphan != NULL)
      handle->kind->orphan(handle);
    handle->rt = NULL;
  }
}

bool tideR__handles_active(const tideR_runtime *rt) {
  for (const tideR_handle *it = rt->open; it != NULL; it = it->next)
    if (!it->closed && it->kind->active(it))
      return true;
  return false;
}

static uint32_t count(const tideR_runtime *rt, bool active) {
  uint32_t n = 0;
  for (const tideR_handle *it = rt->open; it != NULL; it = it->next)
    n += !it->closed && ((!active && !it->stays) || it->kind->active(it));
  return n;
}

/* What is open, and what else keeps the loop alive. */
uint64_t tideR__handles_open(const tideR_runtime *rt) {
  uint64_t others = rt->uv->active_handles - count(rt, true);
  if (rt->is_borrowed)
    others = tideR__descriptors_active(rt);
  return count(rt, false) + others;
}

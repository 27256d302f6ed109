/*
 * work.c: work in libuv's thread pool, which all loops of a process share.
 *
 * The runtime lists what is under way: at its end it is nobody's any more, what
 * is queued is cancelled, and what runs is left to the loop.
 */
#include "internal.h"

static void add(tideR_runtime *rt, tideR_work *work) {
  work->rt = work->keeper = rt;
  tideR__handle_opened(rt);
  work->next = rt->works;
  work->link = &rt->works;
  if (work->next != NULL)
    work->next->link = &work->next;
  rt->works = work;
}

static void take_out(tideR_work *work) {
  *work->link = work->next;
  if (work->next != NULL)
    work->next->link = work->link;
}

static void on_work(uv_work_t *request) {
  tideR_work *work = CONTAINER(request, tideR_work, uv);
  work->work(work);
}

static void on_after(uv_work_t *request, int status) {
  tideR_work *work = CONTAINER(request, tideR_work, uv);
  tideR_runtime *keeper = work->keeper;
  if (work->rt != NULL)
    take_out(work);
  work->after(work, status);
  tideR__handle_closed(keeper); /* it may be the last of an ended runtime */
}

/* The child of a fork drops its parent's loop, with nobody to wait for what it
 * began itself. */
int tideR_work_start(tideR_runtime *rt, tideR_work *work) {
  int err = UV_ECANCELED;
  if (!tideR_loop_forked(rt))
    err = uv_queue_work(tideR_runtime_uv(rt), &work->uv, on_work, on_after);
  if (err == 0)
    add(rt, work);
  return err;
}

/* A lock that is asked for here may have been another thread's at the fork. */
bool tideR_work_cancel(tideR_work *work) {
  return !tideR_loop_forked(work->keeper) &&
         uv_cancel((uv_req_t *)&work->uv) == 0;
}

/* The threads are not in the child of a fork: there nothing more comes. */
void tideR__works_end(tideR_runtime *rt) {
  bool forked = tideR_loop_forked(rt);
  while (rt->works != NULL) {
    tideR_work *work = rt->works;
    take_out(work);
    work->rt = NULL;
    if (forked)
      work->after(work, UV_ECANCELED);
    else
      tideR_work_cancel(work);
  }
}

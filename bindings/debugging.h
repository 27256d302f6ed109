/* debugging.h: what the files of debug mode and of the timeline share. Private.
 */
#ifndef TIDE_DEBUGGING_H
#define TIDE_DEBUGGING_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

/* ---- blocking.c ---- */

/* io.read and others tell that they block the loop, or do not any more. */
void tideL_watchblocking(lua_State *L, tideL_state *S, bool on);

/* ---- trace.c; the first of a task or callback begins, the second ends ---- */

void tideL_tracerun(lua_State *T, tideL_state *S, const tide_task *task);
void tideL_traceran(tideL_state *S, bool ended);
void tideL_traceparked(tideL_state *S, const tide_task *task,
                       const char *place);
void tideL_tracewoken(tideL_state *S, const tide_task *task);
void tideL_tracecancelled(tideL_state *S, const tide_task *task);
void tideL_tracespawned(tideL_state *S, const tide_task *task);
void tideL_tracecall(tideL_state *S, const char *place);
void tideL_tracecalled(tideL_state *S);
void tideL_tracepoll(tideL_state *S, bool begins, bool blocking);

#pragma GCC visibility pop

#endif

/* debugging.h: looking at what runs: debug mode, the timeline, the tree of
 * tasks. A part of bindings.h, which includes it. */
#ifndef TIDE_DEBUGGING_H
#define TIDE_DEBUGGING_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

/* ---- debug mode and the timeline: watch.c, leaks.c, trace.c ---- */

bool tideL_debugwanted(void); /* by TIDE_DEBUG */
void tideL_setdebug(lua_State *L, tideL_state *S, bool on);
/* After a change of S->debug, S->trace or S->rt. */
void tideL_watch(tideL_state *S);
void tideL_unwatch(tideL_state *S); /* frees what watch.c has */
/* While S->watching: around each run of a task, and each callback; the task, or
 * the main program, waits from now on; a task was made, its Task is on top. */
void tideL_beforerun(lua_State *T, tideL_state *S, const tideR_task *task);
void tideL_afterrun(lua_State *T, tideL_state *S, tideR_task *task);
void tideL_beforecall(lua_State *T, tideL_state *S, const tideR_call *call);
void tideL_aftercall(lua_State *T, tideL_state *S);
void tideL_watchparked(lua_State *T, tideL_state *S, const tideR_task *task);
void tideL_notespawn(lua_State *L, tideL_state *S, tideR_task *task);
/* Since when the task waits, if that is known; or 0. */
uint64_t tideL_waitssince(const tideL_state *S, const tideR_task *task);
/* In debug mode: a delayed call was made. Before a run, in any mode; after it,
 * in debug mode: what is left when main has ended, as a list, and its report
 * with what is left after that. */
void tideL_notecall(lua_State *L, const tideR_call *call);
void tideL_beginleaks(lua_State *L, tideL_state *S);
void tideL_pushleft(lua_State *L);
void tideL_reportleft(lua_State *L, tideL_state *S);
void tideL_openleaks(lua_State *L);
/* The timeline: writes what there is; ends it, 0 or an errno. */
void tideL_flushtrace(tideL_state *S);
int tideL_stoptrace(tideL_state *S);
/* The same, and reports the error. */
void tideL_endtrace(lua_State *L, tideL_state *S);
/* The task gets another name. */
void tideL_tracerenamed(tideL_state *S, const tideR_task *task);
void tideL_opentrace(lua_State *L);

/* ---- tree.c ---- */

/* Pushes who waits for whom, a line a task; each line begins with the margin.
 * Of `top` and below only, if it is not NULL. */
void tideL_pushtree(lua_State *L, tideL_state *S, const tideR_task *top,
                    const char *margin);
/* Pushes "3.27 s" or "3590 s". */
void tideL_pushseconds(lua_State *L, uint64_t ns);
/* Pushes a line of it. */
void tideL_pushtold(lua_State *L, tideL_state *S, const tideR_task *task);
/* Pushes where the task waits in code that is not ours, as "file:line"; false:
 * nowhere, and pushes nothing. */
bool tideL_pushplace(lua_State *L, const tideR_task *task);
/* Pushes its name without making it a Task. */
void tideL_pushtaskname(lua_State *L, const tideL_state *S,
                        const tideR_task *task);
void tideL_opentree(lua_State *L);

/* ---- among these files: blocking.c ---- */

/* io.read and others tell that they block the loop, or do not any more. */
void tideL_watchblocking(lua_State *L, tideL_state *S, bool on);

/* ---- trace.c; the first of a task or callback begins, the second ends ---- */

void tideL_tracerun(lua_State *T, tideL_state *S, const tideR_task *task);
void tideL_traceran(tideL_state *S, bool ended);
void tideL_traceparked(tideL_state *S, const tideR_task *task,
                       const char *place);
void tideL_tracewoken(tideL_state *S, const tideR_task *task);
void tideL_tracecancelled(tideL_state *S, const tideR_task *task);
void tideL_tracespawned(tideL_state *S, const tideR_task *task);
void tideL_tracecall(tideL_state *S, const char *place);
void tideL_tracecalled(tideL_state *S);
void tideL_tracepoll(tideL_state *S, bool begins, bool blocking);

#pragma GCC visibility pop

#endif

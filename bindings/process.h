/* process.h: what the files of children share. Private.
 *
 *   process.c   the Process object
 *   spawning.c  spawn, and what it is told
 */
#ifndef TIDE_BINDINGS_PROCESS_H
#define TIDE_BINDINGS_PROCESS_H

#include "../runtime/processes.h"
#include "streams.h"

#pragma GCC visibility push(hidden)

typedef struct tideL_process {
  uint32_t magic;
  uint32_t serial;        /* of the runtime */
  tideR_process *process; /* NULL: it could not be made */
} tideL_process;

/* Pushes one that has no process yet. */
tideL_process *tideL_newprocess(lua_State *L, const tideL_state *S);
void tideL_openspawning(lua_State *L);

#pragma GCC visibility pop

#endif

/* tracefile.h: writing events of Chrome's trace format; see trace.c. Private.
 */
#ifndef TIDE_TRACEFILE_H
#define TIDE_TRACEFILE_H

#include <stdio.h>

#include "bindings.h"

#pragma GCC visibility push(hidden)

#define TIDEL_TRACEBUFFER 65536

typedef struct tideL_tracefile {
  FILE *file;
  void *theirs;   /* the user's file of Lua's, which may be closed; or NULL */
  char *buffer;   /* whole events, and the one that is being put */
  size_t used;    /* of TIDEL_TRACEBUFFER */
  uint64_t start; /* times are counted from here */
  uint64_t flushed;
  uv_pid_t pid;
  int error; /* the first one, of errno */
  bool begun;
  bool has_args; /* of the event that is being put */
} tideL_tracefile;

/* The name or file at `index`; false: see `error`. Raises for anything else. */
bool tideL_openfile(lua_State *L, tideL_tracefile *self, int index);
int tideL_closefile(tideL_tracefile *self); /* the error, or 0 */
/* Writes what is older than that. */
void tideL_settlefile(tideL_tracefile *self, uint64_t age);

/* An event on that track, now; its arguments; its end. */
void tideL_putevent(tideL_tracefile *self, const char *phase, uint64_t track,
                    const char *name);
void tideL_putstring(tideL_tracefile *self, const char *key, const char *value);
void tideL_puttask(tideL_tracefile *self, const char *key, uint64_t id);
void tideL_endevent(tideL_tracefile *self);
/* Whole events: the name of a track, or of all if it is 0; the start "s" or
 * finish "f" of a flow. */
void tideL_putname(tideL_tracefile *self, uint64_t track, const char *name);
void tideL_putflow(tideL_tracefile *self, const char *phase, uint64_t track,
                   uint64_t id);

#pragma GCC visibility pop

#endif

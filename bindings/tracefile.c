/* tracefile.c: writing events of Chrome's trace format, in JSON. */
#include "tracefile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_MOST 4096 /* bytes of one */
#define TEXT_MOST 200   /* bytes of a name that are told */

/* ---- the file ---- */

/* A file of Lua's begins with its FILE on all versions. */
static bool is_closed(const void *theirs) {
#if LUA_VERSION_NUM >= 502
  return ((const luaL_Stream *)theirs)->closef == NULL;
#else
  return *(FILE *const *)theirs == NULL;
#endif
}

static bool open_theirs(lua_State *L, tideL_tracefile *self, int index) {
  self->theirs = luaL_checkudata(L, index, LUA_FILEHANDLE);
  if (is_closed(self->theirs)) {
    self->error = EBADF;
    return false;
  }
  self->file = *(FILE **)self->theirs;
  return true;
}

bool tideL_openfile(lua_State *L, tideL_tracefile *self, int index) {
  self->buffer = malloc(TIDEL_TRACEBUFFER);
  if (self->buffer == NULL) {
    self->error = ENOMEM;
    return false;
  }
  if (lua_type(L, index) == LUA_TSTRING) {
    self->file = fopen(lua_tostring(L, index), "w");
    if (self->file == NULL)
      self->error = errno;
  } else {
    open_theirs(L, self, index);
  }
  if (self->file == NULL) {
    free(self->buffer);
    return false;
  }
  self->pid = uv_os_getpid();
  self->start = self->flushed = uv_hrtime();
  return true;
}

/* The child of a fork leaves the file to its parent. */
static bool can_write(tideL_tracefile *self) {
  if (self->theirs != NULL && is_closed(self->theirs) && self->error == 0)
    self->error = EBADF;
  return self->error == 0 && self->pid == uv_os_getpid();
}

static void flush(tideL_tracefile *self) {
  if (self->used > 0 && can_write(self) &&
      (fwrite(self->buffer, 1, self->used, self->file) != self->used ||
       fflush(self->file) != 0))
    self->error = errno != 0 ? errno : EIO;
  self->used = 0;
  self->flushed = uv_hrtime();
}

void tideL_settlefile(tideL_tracefile *self, uint64_t age) {
  if (uv_hrtime() - self->flushed >= age)
    flush(self);
}

/* ---- pieces ---- */

static void put(tideL_tracefile *self, const char *format, ...) {
  size_t room = TIDEL_TRACEBUFFER - self->used;
  va_list args;
  va_start(args, format);
  self->used +=
      (size_t)vsnprintf(self->buffer + self->used, room, format, args);
  va_end(args);
}

/* How many bytes from `text` on are one character in UTF-8; 0: none. */
static int character(const unsigned char *text) {
  uint32_t code = text[0];
  int n = code < 0x80 ? 1 : code < 0xc0 ? 0 : code < 0xe0 ? 2 : 3;
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code >= 0xf0)
    n = code < 0xf8 ? 4 : 0;
  if (n <= 1)
    return n;
  code &= 0x7fu >> n;
  for (int i = 1; i < n; i++) {
    if ((text[i] & 0xc0) != 0x80)
      return 0;
    code = code << 6 | (text[i] & 0x3f);
  }
  if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    return 0;
  return n;
}

/* As a string of JSON; what is no UTF-8 becomes U+FFFD. */
static void put_text(tideL_tracefile *self, const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  put(self, "\"");
  while (*at != '\0' && at - (const unsigned char *)text < TEXT_MOST) {
    int n = character(at);
    if (n == 0)
      put(self, "\\ufffd");
    else if (*at < 0x20 || *at == 0x7f)
      put(self, "\\u%04x", *at);
    else if (*at == '"' || *at == '\\')
      put(self, "\\%c", *at);
    else
      put(self, "%.*s", n, (const char *)at);
    at += n > 0 ? n : 1;
  }
  put(self, "\"");
}

static void put_key(tideL_tracefile *self, const char *key) {
  put(self, "%s\"%s\":", self->has_args ? "," : ",\"args\":{", key);
  self->has_args = true;
}

/* ---- events ---- */

static void begin_event(tideL_tracefile *self, const char *phase) {
  if (self->used > TIDEL_TRACEBUFFER - EVENT_MOST)
    flush(self);
  put(self, "%s{\"ph\":\"%s\",\"pid\":1", self->begun ? ",\n" : "[\n", phase);
  self->begun = true;
  self->has_args = false;
}

static void put_place(tideL_tracefile *self, uint64_t track) {
  uint64_t ns = uv_hrtime() - self->start;
  put(self, ",\"tid\":%" PRIu64 ",\"ts\":%" PRIu64 ".%03u", track, ns / 1000,
      (unsigned)(ns % 1000));
}

void tideL_putevent(tideL_tracefile *self, const char *phase, uint64_t track,
                    const char *name) {
  begin_event(self, phase);
  put_place(self, track);
  if (*phase == 'i')
    put(self, ",\"s\":\"t\"");
  if (name != NULL) {
    put(self, ",\"name\":");
    put_text(self, name);
  }
}

void tideL_putstring(tideL_tracefile *self, const char *key,
                     const char *value) {
  put_key(self, key);
  put_text(self, value);
}

void tideL_puttask(tideL_tracefile *self, const char *key, uint64_t id) {
  put_key(self, key);
  put(self, id != 0 ? "\"task-%" PRIu64 "\"" : "\"main program\"", id);
}

void tideL_endevent(tideL_tracefile *self) {
  put(self, self->has_args ? "}}" : "}");
}

void tideL_putname(tideL_tracefile *self, uint64_t track, const char *name) {
  begin_event(self, "M");
  if (track != 0)
    put(self, ",\"tid\":%" PRIu64, track);
  put(self, ",\"name\":\"%s\"", track != 0 ? "thread_name" : "process_name");
  tideL_putstring(self, "name", name);
  tideL_endevent(self);
}

void tideL_putflow(tideL_tracefile *self, const char *phase, uint64_t track,
                   uint64_t id) {
  begin_event(self, phase);
  put_place(self, track);
  put(self, ",\"id\":%" PRIu64 ",\"name\":\"wake\",\"cat\":\"wake\"%s", id,
      *phase == 'f' ? ",\"bp\":\"e\"" : "");
  tideL_endevent(self);
}

int tideL_closefile(tideL_tracefile *self) {
  put(self, self->begun ? "\n]\n" : "[]\n");
  flush(self);
  if (self->theirs == NULL && fclose(self->file) != 0 && self->error == 0)
    self->error = errno;
  free(self->buffer);
  return self->error;
}

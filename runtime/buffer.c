/*
 * buffer.c: bytes that were read and not taken yet, in one piece.
 *
 * What a stream reads goes to the end of the runtime's chunk, behind what
 * others have there: what is taken soon costs no memory of its own, and the
 * little that many streams leave there lies side by side. A chunk is used again
 * from its beginning once nobody has bytes in it. A buffer that has to go on
 * elsewhere moves to memory of its own, until it is empty.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum {
  CHUNK_ROOM = 524288,
  READ_MOST = 69632, /* offered at once: 64 KiB with room to spare, or else it
                        is asked a second time whether that was all. Strings
                        twice as long are more than malloc keeps */
  READ_LEAST = 16384,
  OFFER_MOST = 1048576, /* of a buffer's own memory */
  CHUNKS_KEPT = 4       /* empty ones */
};

struct tideR_chunk {
  tideR_chunk *next; /* in the list of empty ones */
  uint32_t buffers;  /* that have bytes in it */
  size_t used;
  char bytes[CHUNK_ROOM];
};

/* ---- chunks ---- */

static void chunk_leave(tideR_runtime *rt, tideR_chunk *chunk) {
  if (--chunk->buffers > 0)
    return;
  chunk->used = 0;
  if (chunk == rt->chunk)
    return;
  if (rt->chunks_kept == CHUNKS_KEPT) {
    free(chunk);
    return;
  }
  rt->chunks_kept++;
  chunk->next = rt->chunks;
  rt->chunks = chunk;
}

/* Makes one with room the runtime's current one. */
static bool chunk_renew(tideR_runtime *rt) {
  tideR_chunk *chunk = rt->chunks;
  if (chunk != NULL) {
    rt->chunks = chunk->next;
    rt->chunks_kept--;
  } else if ((chunk = malloc(sizeof *chunk)) == NULL) {
    return false;
  }
  chunk->buffers = 0;
  chunk->used = 0;
  rt->chunk = chunk; /* the one before is its buffers' */
  return true;
}

void tideR__chunks_free(tideR_runtime *rt) {
  free(rt->chunk);
  while (rt->chunks != NULL) {
    tideR_chunk *chunk = rt->chunks;
    rt->chunks = chunk->next;
    free(chunk);
  }
}

/* ---- room ---- */

static bool is_last(const tideR_buffer *buffer) {
  const tideR_chunk *chunk = buffer->chunk;
  return buffer->bytes + buffer->length == chunk->bytes + chunk->used;
}

/* Behind the bytes that are there, in the chunk that they are in. */
static char *room_in_chunk(tideR_chunk *chunk, size_t *size) {
  char *room = chunk->bytes + chunk->used;
  *size = CHUNK_ROOM - chunk->used;
  if (*size > READ_MOST)
    *size = READ_MOST;
  chunk->used += *size; /* until it is known how much came */
  return room;
}

/* Nobody else reads meanwhile: it need not be claimed. */
char *tideR__chunk_scratch(tideR_runtime *rt) {
  tideR_chunk *chunk = rt->chunk;
  if ((chunk == NULL || CHUNK_ROOM - chunk->used < TIDE_DATAGRAM) &&
      !chunk_renew(rt))
    return NULL;
  return rt->chunk->bytes + rt->chunk->used;
}

static char *begin_in_chunk(tideR_runtime *rt, tideR_buffer *buffer,
                            size_t *size) {
  tideR_chunk *chunk = rt->chunk;
  if (chunk == NULL || CHUNK_ROOM - chunk->used < READ_MOST) {
    if (!chunk_renew(rt))
      return NULL;
    chunk = rt->chunk;
  }
  chunk->buffers++;
  buffer->chunk = chunk;
  return buffer->bytes = room_in_chunk(chunk, size);
}

static void move_down(tideR_buffer *buffer) {
  memmove(buffer->own, buffer->bytes, buffer->length);
  buffer->bytes = buffer->own;
}

bool tideR__buffer_reserve(tideR_runtime *rt, tideR_buffer *buffer,
                           size_t size) {
  size_t wanted = buffer->length + size, room = 2 * buffer->room;
  char *own;
  if (wanted < size)
    return false;
  if (buffer->own != NULL && buffer->room >= wanted) {
    if (buffer->bytes + wanted > buffer->own + buffer->room)
      move_down(buffer);
    return true;
  }
  if (room < wanted)
    room = wanted;
  if ((own = malloc(room)) == NULL)
    return false;
  if (buffer->length > 0)
    memcpy(own, buffer->bytes, buffer->length);
  tideR__buffer_leave(rt, buffer);
  buffer->bytes = buffer->own = own;
  buffer->room = room;
  return true;
}

/* Where the next bytes can go; NULL: no memory. tideR__buffer_filled follows,
 * and nothing else before. */
char *tideR__buffer_room(tideR_runtime *rt, tideR_buffer *buffer,
                         size_t *size) {
  if (buffer->bytes == NULL)
    return begin_in_chunk(rt, buffer, size);
  if (buffer->chunk != NULL && is_last(buffer) &&
      CHUNK_ROOM - buffer->chunk->used >= READ_LEAST)
    return room_in_chunk(buffer->chunk, size);
  if (!tideR__buffer_reserve(rt, buffer, READ_LEAST))
    return NULL;
  *size = (size_t)(buffer->own + buffer->room - buffer->bytes) - buffer->length;
  if (*size > OFFER_MOST)
    *size = OFFER_MOST;
  return buffer->bytes + buffer->length;
}

/* `size` bytes of room were given, `n` have come. */
void tideR__buffer_filled(tideR_runtime *rt, tideR_buffer *buffer, size_t size,
                          size_t n) {
  tideR_chunk *chunk = buffer->chunk;
  const char *end = buffer->bytes + buffer->length + size;
  if (chunk != NULL && end == chunk->bytes + chunk->used)
    chunk->used -= size - n;
  buffer->length += n;
  if (buffer->length == 0)
    tideR__buffer_clear(rt, buffer);
}

/* memmem, which is not everywhere. */
const char *tideR__find(const char *text, size_t length, const char *what,
                        size_t n) {
  const char *end = text + length;
  while ((size_t)(end - text) >= n) {
    text = memchr(text, what[0], (size_t)(end - text) - n + 1);
    if (text == NULL || memcmp(text, what, n) == 0)
      return text;
    text++;
  }
  return NULL;
}

bool tideR__buffer_append(tideR_runtime *rt, tideR_buffer *buffer,
                          const char *bytes, size_t n) {
  if (!tideR__buffer_reserve(rt, buffer, n))
    return false;
  memcpy(buffer->bytes + buffer->length, bytes, n);
  buffer->length += n;
  return true;
}

/* `own` is from malloc and the buffer's from now on, if there is memory for
 * what does not fit before its first bytes: n, from `at` on. */
bool tideR__buffer_adopt(tideR_runtime *rt, tideR_buffer *buffer, char *own,
                         size_t room, size_t at, size_t n) {
  size_t before = buffer->length;
  if (before > at) {
    bool done = tideR__buffer_append(rt, buffer, own + at, n);
    if (done)
      free(own);
    return done;
  }
  if (before > 0)
    memcpy(own + at - before, buffer->bytes, before);
  tideR__buffer_leave(rt, buffer);
  buffer->bytes = own + at - before;
  buffer->length = before + n;
  buffer->own = own;
  buffer->room = room;
  return true;
}

/* ---- taking ---- */

/* Its bytes are elsewhere now, or of no use. */
void tideR__buffer_leave(tideR_runtime *rt, tideR_buffer *buffer) {
  if (buffer->chunk != NULL)
    chunk_leave(rt, buffer->chunk);
  free(buffer->own);
  buffer->own = NULL;
  buffer->room = 0;
  buffer->chunk = NULL;
}

void tideR__buffer_clear(tideR_runtime *rt, tideR_buffer *buffer) {
  tideR__buffer_leave(rt, buffer);
  buffer->bytes = NULL;
  buffer->length = 0;
}

void tideR__buffer_take(tideR_runtime *rt, tideR_buffer *buffer, size_t n) {
  buffer->bytes += n;
  buffer->length -= n;
  if (buffer->length == 0)
    tideR__buffer_clear(rt, buffer);
}

/*
 * standard.h: standard input, output and error as streams; terminals.
 *
 *   stdio.c     streams over descriptors that others have, too
 *   sharing.c   ... how such a one is read and written without a wait
 *   terminal.c  raw mode, given back whatever happens; size
 */
#ifndef TIDE_STANDARD_H
#define TIDE_STANDARD_H

#include "handle.h"

#pragma GCC visibility push(hidden)

/* ---- streams (stdio.c) ---- */

/* The runtime's stream of the descriptor 0, 1 or 2, which stays open and keeps
 * its mode whatever is done with the stream. One for each: NULL before. One of
 * a descriptor that is not open has failed. The user's, to be released. */
int tideR_stdio_open(tideR_runtime *rt, int number, tideR_stream **out);
bool tideR_stream_is_stdio(const tideR_stream *stream);
int tideR_stdio_fileno(const tideR_stream *stream);
/* What is unsent goes out now, for so many seconds at most, without the loop.
 */
void tideR_stdio_flush(tideR_stream *stream, double seconds);
void tideR_stdio_flush_all(tideR_runtime *rt, double seconds);

/* ---- terminals ---- */

typedef enum tideR_keys {
  TIDE_KEYS_LINES,    /* the terminal's own way: lines, edited there */
  TIDE_KEYS_RAW,      /* each key as it is pressed, unseen */
  TIDE_KEYS_INTERRUPT /* the same, but Ctrl-C stays a signal */
} tideR_keys;

bool tideR_stdio_is_terminal(const tideR_stream *stream);
/* UV_ENOTTY: it is no terminal. What was is put back when the stream closes, at
 * the process's end and before a signal that ends it. */
int tideR_stdio_raw(tideR_stream *stream, tideR_keys keys);
int tideR_stdio_size(const tideR_stream *stream, int *columns, int *rows);

/* Of stdin, stdout and stderr, what is closed becomes /dev/null: libuv aborts
 * when a loop has come to own such a descriptor. */
void tideR__stdio_reserve(void);
bool tideR__stdio_is_reserved(int number); /* it was closed, and is that */

/* ---- sharing.c ---- */

/* A descriptor of ours by which one that others share is read and written. */
typedef struct tideR_shared {
  int fd; /* -1: none */
  enum { SHARED_FILE, SHARED_SOCKET, SHARED_OWN, SHARED_BLOCKING } kind;
  size_t most; /* of bytes that a writable one surely takes */
} tideR_shared;

int tideR__shared_open(int fd, tideR_shared *shared);
/* As many as there are or fit now; UV_EAGAIN: none. */
ssize_t tideR__shared_read(const tideR_shared *shared, char *room, size_t size);
ssize_t tideR__shared_write(const tideR_shared *shared, const uv_buf_t *bufs,
                            unsigned n);
/* False: not within so many milliseconds. */
bool tideR__shared_writable(const tideR_shared *shared, int ms);

/* ---- terminal.c ---- */

typedef struct tideR_terminal { /* zero at first */
  int slot; /* of those that are raw, from 1; 0: it is not */
} tideR_terminal;

int tideR__terminal_set(tideR_terminal *terminal, int fd, tideR_keys keys);
int tideR__terminal_size(int fd, int *columns, int *rows);

#pragma GCC visibility pop

#endif

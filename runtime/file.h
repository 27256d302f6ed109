/*
 * file.h: open files: streams to read from, which can be written to, too, and
 * have a position. Writing and the rest are operations of fs.h.
 */
#ifndef TIDE_FILE_H
#define TIDE_FILE_H

#include "fs.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

typedef struct tideR_file tideR_file;

/* ---- operations on descriptors (fileops.c) ---- */

/* One that several use: whoever is the last closes it. */
typedef struct tideR_fd {
  int fd;
  atomic_uint users;
  atomic_int cached; /* whether it is told what is in memory */
} tideR_fd;

typedef enum tideR_whence {
  TIDE_SEEK_SET,
  TIDE_SEEK_CUR,
  TIDE_SEEK_END
} tideR_whence;

/* flags, mode: then `state` is the tideR_fd, which it holds, and `stat` is that
 * of the file. */
extern const tideR_fskind tideR_file_open;
/* The rest has the descriptor in `state`, of which it holds a use. */
/* From `offset`, -1: where the system is, into `bytes` from the `flags`th on:
 * so many as `size` in all, or what there is. Some of it, or all. */
extern const tideR_fskind tideR_file_read, tideR_file_pread;
/* `size` of `bytes`, of which `length` were. With flags `stat` is told, too. */
extern const tideR_fskind tideR_file_write, tideR_file_pwrite;
extern const tideR_fskind tideR_file_truncate; /* offset; flags: where it is */
extern const tideR_fskind tideR_file_seek;     /* flags: whence; offset */
extern const tideR_fskind tideR_file_sync, tideR_file_datasync;
extern const tideR_fskind tideR_file_stat;
extern const tideR_fskind tideR_file_close; /* it is the last use */

/* Closes it here and now if that was the last use. */
void tideR__fd_drop(tideR_fd *fd);

/* What is in memory, and no more than a part that is soon copied: how much that
 * was; 0: it is a thread's. */
#define TIDE_CACHED_MOST 65536
size_t tideR__fd_read_cached(tideR_fd *fd, char *to, size_t size,
                             int64_t offset);
/* All that is wanted of a pread. */
bool tideR__file_pread_now(tideR_fs *op);

/* ---- files (file.c) ---- */

/* Of an open that is over. NULL: no memory. */
tideR_file *tideR_file_new(tideR_runtime *rt, tideR_fs *open, bool appends);
tideR_stream *tideR_file_stream(tideR_file *file);
tideR_file *tideR_file_of(tideR_stream *stream);
int tideR_file_fd(const tideR_file *file); /* -1: it is closed */
/* A new operation on it, to be begun; those that move its position, or depend
 * on it, are done one after the other. If it is closed, it will be refused.
 * NULL: no memory. */
tideR_fs *tideR_file_do(tideR_file *file, const tideR_fskind *kind);
/* It is over, the user's, and has no use of the descriptor any more. */
void tideR_file_end(tideR_runtime *rt, tideR_fs *op);
/* A pwrite of it is over: what was read before, and not taken, is not the
 * file's any more. */
void tideR_file_written(tideR_file *file, const tideR_fs *op);
/* True: it could be done at once, and this is the position, or an error. */
bool tideR_file_seek_now(tideR_file *file, tideR_whence whence, int64_t offset,
                         int64_t *position);
/* Closes it: the operation that does so, the caller's, to be begun; NULL:
 * others use the descriptor yet, and the last one closes it, or it is closed
 * already, for nothing of the runtime's runs any more. */
tideR_fs *tideR_file_closing(tideR_file *file);

#pragma GCC visibility pop

#endif

/*
 * fsremove.c: a directory and all that is in it, removed.
 *
 * Nothing is reached by its path but the directory itself, and no link is
 * followed: each is opened from the one it is in, so that nobody can have
 * another tree removed by putting a link in the way. One directory is open at a
 * time, however deep they lie: the way back up is taken only to what it was
 * left as. What is gone already was to go; what comes meanwhile goes, too.
 */
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "internal.h"

#ifndef _WIN32

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART 256 /* names at a time */

typedef struct place {
  dev_t device;
  ino_t inode;
} place;

typedef struct removal {
  DIR *at; /* NULL: not begun */
  place here;
  place *above; /* those it lies in, up to the one that is to go */
  size_t depth, room;
  unsigned fruitless; /* times that it came to an end, and nothing went */
} removal;

#define FRUITLESS 100 /* so many, and something stays whatever is done */

static int failure(void) {
  return uv_translate_sys_error(errno);
}

/* Takes the descriptor over. */
static int enter(removal *it, int fd) {
  struct stat stat;
  DIR *directory;
  int err = fd < 0 || fstat(fd, &stat) < 0 ? failure() : 0;
  directory = err == 0 ? fdopendir(fd) : NULL;
  if (err == 0 && directory == NULL)
    err = failure();
  if (err < 0) {
    if (fd >= 0)
      close(fd);
    return err;
  }
  if (it->at != NULL)
    closedir(it->at);
  it->at = directory;
  it->here = (place){stat.st_dev, stat.st_ino};
  return 0;
}

#define AS_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int descend(removal *it, const char *name) {
  place from = it->here;
  int err;
  if (it->depth == it->room) {
    size_t room = 2 * it->room + 16;
    place *above = realloc(it->above, room * sizeof *above);
    if (above == NULL)
      return UV_ENOMEM;
    it->above = above;
    it->room = room;
  }
  err = enter(it, openat(dirfd(it->at), name, AS_DIRECTORY));
  if (err == UV_ENOENT || err == UV_ENOTDIR || err == UV_ELOOP)
    return 0; /* it went meanwhile, or is another: it will be met again */
  if (err == 0)
    it->above[it->depth++] = from;
  return err;
}

/* To where it came from, or not at all: it may have been moved. */
static int ascend(removal *it) {
  place to = it->above[--it->depth];
  int err = enter(it, openat(dirfd(it->at), "..", AS_DIRECTORY));
  if (err == 0 && (it->here.device != to.device || it->here.inode != to.inode))
    err = UV_EBUSY;
  return err;
}

static int remove_entry(removal *it, const char *name) {
  int fd = dirfd(it->at), err = 0;
  if (unlinkat(fd, name, 0) < 0)
    err = failure();
  if (err == UV_EISDIR || err == UV_EPERM || err == UV_EACCES) {
    if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
      err = 0;
    else if (errno == ENOTEMPTY || errno == EEXIST)
      return descend(it, name);
    else if (errno != ENOTDIR) /* or it is a file that may not go */
      err = failure();
  }
  if (err == 0)
    it->fruitless = 0;
  return err == UV_ENOENT ? 0 : err;
}

static bool is_dots(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* 1: all is done that is in it. */
static int remove_some(removal *it) {
  for (int i = 0; i < PART; i++) {
    const struct dirent *entry;
    int err = 0;
    errno = 0;
    entry = readdir(it->at);
    if (entry == NULL && errno != 0)
      return failure();
    if (entry == NULL && ++it->fruitless > FRUITLESS)
      return UV_ENOTEMPTY;
    if (entry == NULL && it->depth == 0)
      return 1;
    if (entry == NULL)
      err = ascend(it);
    else if (!is_dots(entry->d_name))
      err = remove_entry(it, entry->d_name);
    if (err < 0)
      return err;
  }
  return 0;
}

/* A name at its end, so that a link is not what it leads to. */
static int check_name(char *path) {
  size_t end = strlen(path);
  const char *name;
  while (end > 1 && path[end - 1] == '/')
    path[--end] = '\0';
  name = strrchr(path, '/');
  name = name != NULL ? name + 1 : path;
  if (end == 0)
    return UV_ENOENT;
  return name[0] == '\0' || is_dots(name) ? UV_EINVAL : 0;
}

static int begin(tideR_fs *op, removal *it) {
  int err = check_name(op->text);
  if (err < 0)
    return err;
  err = enter(it, open(op->path, AS_DIRECTORY));
  if (err != UV_ENOTDIR && err != UV_ELOOP)
    return err;
  return unlink(op->path) < 0 ? failure() : 1;
}

static int64_t remove_part(tideR_fs *op, removal *it) {
  int err;
  if (it->at == NULL) {
    err = begin(op, it);
    if (err != 0)
      return err < 0 ? err : 0;
  } else if (atomic_load(&op->stop)) {
    return UV_ECANCELED;
  }
  err = remove_some(it);
  if (err <= 0)
    return err < 0 ? err : TIDE_FS_AGAIN;
  if (rmdir(op->path) == 0 || errno == ENOENT)
    return 0;
  if (errno != ENOTEMPTY && errno != EEXIST)
    return failure();
  rewinddir(it->at); /* something came meanwhile */
  return TIDE_FS_AGAIN;
}

static int64_t remove_tree(tideR_fs *op) {
  removal *it = op->state;
  int64_t result;
  if (it == NULL)
    it = op->state = calloc(1, sizeof *it);
  if (it == NULL)
    return UV_ENOMEM;
  result = remove_part(op, it);
  if (result == TIDE_FS_AGAIN)
    return result;
  if (it->at != NULL)
    closedir(it->at);
  free(it->above);
  free(it);
  op->state = NULL;
  return result;
}

#else

static int64_t remove_tree(tideR_fs *op) {
  (void)op;
  return UV_ENOSYS;
}

#endif

/* As C's remove. */
static int64_t remove_one(const char *path) {
  int64_t err, why;
  TIDE_FS_CALL(err, uv_fs_unlink, path);
  if (err != UV_EISDIR && err != UV_EPERM && err != UV_EACCES)
    return err;
  TIDE_FS_CALL(why, uv_fs_rmdir, path);
  return why == UV_ENOTDIR ? err : why;
}

static int64_t run_remove(tideR_fs *op) {
  return op->flags != 0 ? remove_tree(op) : remove_one(op->path);
}

const tideR_fskind tideR_fs_remove = {"fs.remove", run_remove, NULL};

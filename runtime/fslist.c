/*
 * fslist.c: directories, read so many entries at a time.
 *
 * The operation stays with the directory: it opens it when it first begins, and
 * each time reads the next entries: into `bytes`, of each the letter of its
 * type, its name and a zero. After the last ones, or an error, `holds` is off.
 */
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "internal.h"

#define ENTRIES 512 /* at a time */

static bool is_link(const char *path) {
  uv_fs_t request;
  bool link = uv_fs_lstat(NULL, &request, path, NULL) == 0 &&
              (request.statbuf.st_mode & S_IFMT) == S_IFLNK;
  uv_fs_req_cleanup(&request);
  return link;
}

/* flags: it was a directory, which is gone if a link is in its place. */
static int64_t open_directory(tideR_fs *op) {
  uv_fs_t request;
  int64_t err;
  if (op->flags != 0 && is_link(op->path))
    return UV_ENOENT;
  err = uv_fs_opendir(NULL, &request, op->path, NULL);
  if (err == 0) {
    op->state = request.ptr;
    op->holds = true;
  }
  uv_fs_req_cleanup(&request);
  return err;
}

static void close_directory(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_closedir, op->state);
  (void)err;
  op->state = NULL;
  op->holds = false;
}

/* Some file systems do not say what an entry is. */
static uv_dirent_type_t find_type(const char *directory, const char *name) {
  uv_dirent_type_t type = UV_DIRENT_UNKNOWN;
  size_t length = strlen(directory), size = length + strlen(name) + 2;
  char *path = malloc(size);
  uv_fs_t request;
  if (path == NULL)
    return type;
  memcpy(path, directory, length);
  path[length] = '/';
  strcpy(path + length + 1, name);
  if (uv_fs_lstat(NULL, &request, path, NULL) == 0) {
    unsigned mode = request.statbuf.st_mode & S_IFMT;
    type = mode == S_IFDIR   ? UV_DIRENT_DIR
           : mode == S_IFREG ? UV_DIRENT_FILE
           : mode == S_IFLNK ? UV_DIRENT_LINK
                             : UV_DIRENT_UNKNOWN;
  }
  uv_fs_req_cleanup(&request);
  free(path);
  return type;
}

static bool add(tideR_fs *op, const uv_dirent_t *entry) {
  static const char letters[] = "?fdlpscb"; /* as uv_dirent_type_t */
  size_t size = strlen(entry->name) + 2;
  uv_dirent_type_t type = entry->type;
  if (op->length + size > op->size) {
    size_t room = 2 * op->size + size + 4096;
    char *bytes = realloc(op->bytes, room);
    if (bytes == NULL)
      return false;
    op->bytes = bytes;
    op->size = room;
  }
  if (type == UV_DIRENT_UNKNOWN)
    type = find_type(op->path, entry->name);
  op->bytes[op->length] = letters[type];
  memcpy(op->bytes + op->length + 1, entry->name, size - 1);
  op->length += size;
  return true;
}

/* How many came. */
static int64_t read_entries(tideR_fs *op, uv_dirent_t *entries) {
  uv_dir_t *directory = op->state;
  uv_fs_t request;
  int64_t n;
  directory->dirents = entries;
  directory->nentries = ENTRIES;
  n = uv_fs_readdir(NULL, &request, directory, NULL);
  for (int64_t i = 0; i < n; i++)
    if (!add(op, &entries[i])) {
      n = UV_ENOMEM;
      break;
    }
  uv_fs_req_cleanup(&request);
  return n;
}

static int64_t run_scandir(tideR_fs *op) {
  uv_dirent_t *entries;
  int64_t n = op->state == NULL ? open_directory(op) : 0;
  if (n < 0)
    return n;
  op->length = 0;
  entries = calloc(ENTRIES, sizeof *entries);
  n = entries != NULL ? read_entries(op, entries) : UV_ENOMEM;
  free(entries);
  if (n < ENTRIES) /* the last ones, or an error */
    close_directory(op);
  return n;
}

const tideR_fskind tideR_fs_scandir = {"fs.scandir", run_scandir,
                                       close_directory};

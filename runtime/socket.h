/* socket.h: sockets as the system has them; see socket.c. */
#ifndef TIDE_SOCKET_H
#define TIDE_SOCKET_H

#include "internal.h"
#ifndef _WIN32
#include <sys/socket.h>
#include <sys/un.h>
#endif

#pragma GCC visibility push(hidden)

void tideR__socket_close(uv_os_sock_t fd);
/* tcp.c, unix.c: one that is not connected */
int tideR__tcp_new(tideR_runtime *rt, tideR_wire **out);
int tideR__unix_new(tideR_runtime *rt, tideR_wire **out);
/* The name of a Unix socket, or its peer's. */
int tideR__socket_name(const uv_handle_t *handle, bool of_peer,
                       struct sockaddr_storage *name, int *size);
/* How a stream has ended that libuv says has: UV_EOF, or it was reset. */
int tideR__socket_end(const uv_handle_t *handle);
/* How many bytes there were; 0: none yet; UV_EOF or another error. */
ssize_t tideR__socket_read(const uv_handle_t *handle, char *room, size_t size);
/* uv_try_write of a connected socket with nothing queued; where it can be, by
 * the call that is made for sockets, which costs less than that for files. */
ssize_t tideR__socket_write(uv_stream_t *stream, const uv_buf_t *bufs,
                            unsigned n);
#ifndef _WIN32
int tideR__errno(void); /* as a code of libuv's */
/* Of this kind, not inherited by children, never blocking; or negative. */
int tideR__socket_new(int domain, int type);
/* A connection that waits; UV_EAGAIN: there is none. */
int tideR__socket_accept(int fd);
int tideR__socket_set(int fd, int level, int option, bool on);
int tideR__unix_address(const char *name, size_t length,
                        struct sockaddr_un *address, socklen_t *size);
#endif

#pragma GCC visibility pop

#endif

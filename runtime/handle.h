/*
 * handle.h: what is open: streams, servers, datagrams; and names.
 *
 * General layout
 *   handle.c  what all of these are: known to the runtime, closed with it
 *   buffer.c  bytes that were read and not taken yet
 *   stream.c  streams: their life, and what they tell
 *   reader.c  reading from any stream: so much, up to a separator, all
 *   writer.c  writing to any stream: what is unsent, and who waits for that
 *   wire.c    streams over libuv's handles: sockets, pipes, terminals
 *   pair.c    two streams in memory
 *   file.c    files: reading as from a stream, and the rest: file.h
 *   tcp.c     connecting over TCP
 *   unix.c    Unix sockets
 *   server.c  sockets that connections are accepted from
 *   dns.c     what names stand for, and what addresses are called
 *   udp.c     datagrams: receiving, names; udpsend.c  sending
 *   stdio.c   streams over the descriptors that others have, too: standard.h
 *
 * Each is memory of its own with two owners: the user, who releases it, and
 * libuv, until it has closed the handle. Callbacks record and wake.
 */
#ifndef TIDE_HANDLE_H
#define TIDE_HANDLE_H

#include "sync.h"

#pragma GCC visibility push(hidden)

/* ---- handles (handle.c) ---- */

typedef struct tideR_handle tideR_handle;

typedef struct tideR_handlekind {
  const char *name;
  void (*close)(tideR_handle *handle); /* by user or runtime; once */
  /* It keeps the loop alive: something may come of it. */
  bool (*active)(const tideR_handle *handle);
  void (*orphan)(tideR_handle *handle); /* the runtime is no more; or NULL */
  void (*free)(tideR_handle *handle);   /* nobody has it any more */
} tideR_handlekind;

struct tideR_handle { /* what an open thing begins with */
  const tideR_handlekind *kind;
  tideR_runtime *rt;          /* NULL: it is no more */
  tideR_handle *next, **link; /* in one of two lists of the runtime */
  unsigned owners;
  bool closed;
  bool stays; /* as long as the runtime: counted only while it is active */
};

/* The user's, open. */
void tideR__handle_init(tideR_runtime *rt, tideR_handle *handle,
                        const tideR_handlekind *kind);
/* Another owner, libuv; and one less. */
void tideR__handle_keep(tideR_handle *handle);
void tideR__handle_drop(tideR_handle *handle);
/* It is closed, by itself. */
void tideR__handle_shut(tideR_handle *handle);
/* A close callback's: libuv is done with it. */
void tideR__handle_done(tideR_handle *handle);
/* Again is fine. The runtime's end does it, too. */
void tideR_handle_close(tideR_handle *handle);
/* The user's last word: closes it. */
void tideR_handle_release(tideR_handle *handle);

/* ---- buffers (buffer.c) ---- */

/* Bytes in one piece. What comes first lies in a chunk of the runtime's, which
 * all buffers share; once that does not do, in memory of its own. */
typedef struct tideR_buffer {
  char *bytes; /* the first */
  size_t length;
  struct tideR_chunk *chunk; /* they are in, or: */
  char *own;
  size_t room; /* there */
} tideR_buffer;

/* ---- streams (stream.c) ---- */

typedef struct tideR_stream tideR_stream;

/* How bytes come and go. None of it runs user code. */
typedef struct tideR_transport {
  /* Bytes are wanted, by tideR__stream_room and _filled, or no more. */
  int (*start)(tideR_stream *stream);
  void (*stop)(tideR_stream *stream);
  /* What is there now: after tideR__stream_readable, and after what has filled
   * all its room. NULL: that cannot be asked for. */
  void (*fetch)(tideR_stream *stream);
  /* How many of them went out at once; UV_EAGAIN: none. */
  ssize_t (*try_write)(tideR_stream *stream, const uv_buf_t *bufs, unsigned n);
  /* Copies these and sends them in order; tideR__stream_sent tells. */
  int (*write)(tideR_stream *stream, const uv_buf_t *bufs, unsigned n,
               size_t skip, size_t size);
  /* After all that is written; tideR__stream_ended tells. */
  int (*shutdown)(tideR_stream *stream);
  bool grows; /* after its end, or an error, who reads next tries again */
} tideR_transport;

typedef enum tideR_wanting {
  TIDE_READ_SOME,    /* up to `size`, as soon as there is something */
  TIDE_READ_EXACTLY, /* `size` */
  TIDE_READ_UNTIL,   /* up to the end of a separator, at most `size` before */
  TIDE_READ_LINE, /* the same of a newline; one that is too long is dropped */
  TIDE_READ_ALL   /* to the end */
} tideR_wanting;

/* What a reader wants, and what came of it. */
typedef struct tideR_reading {
  tideR_wanting wanting;
  size_t size;
  const uv_buf_t *separators; /* the user's, as long as it waits */
  unsigned count;
  size_t scanned; /* bytes that no separator ends in */
  bool cuts;      /* a line that is too long, and its end is yet to come */
  int status;     /* 0, UV_EOF, UV_EMSGSIZE or another error; once decided: */
  size_t length;  /* of what is there for it, which it takes */
} tideR_reading;

struct tideR_stream {
  tideR_handle handle;
  const tideR_transport *transport;

  tideR_buffer unread;
  size_t offered;     /* of room, to what comes next */
  size_t limit;       /* reading pauses over twice that */
  tideR_waitq reader; /* at most one */
  tideR_reading reading;
  bool started;     /* the transport gives bytes */
  bool busy;        /* a task reads, or was woken and is yet to take it */
  bool decided;     /* `reading` is */
  bool deferred;    /* it was woken, and is to fetch what there is */
  bool held;        /* who reads is making what it read its own */
  bool was_full;    /* what came last has filled all the room that it had */
  uint8_t in_a_row; /* so many were read without a wait */
  bool skips;       /* what is left of a line that was too long */
  bool lazy; /* bytes are asked for only while a task waits for them: they
                may be another's, else */
  int end;   /* UV_EOF or an error: nothing comes after what is unread */
  uint64_t bytes_read;

  size_t unsent, high_water;
  int failure; /* why nothing more can be written */
  bool ending; /* shutdown was called */
  bool ended;  /* ... and has come to its end */
  tideR_waitq writers, drainers;
  uint64_t bytes_written;
};

#define TIDE_LIMIT 65536 /* of a stream that does not say otherwise */

/* Of memory that begins with one, which is zero. */
void tideR__stream_init(tideR_runtime *rt, tideR_stream *stream,
                        const tideR_handlekind *kind,
                        const tideR_transport *transport);
/* Its handle closes: wakes who waits. */
void tideR__stream_closed(tideR_stream *stream);
/* It has no runtime any more, or goes. */
void tideR__stream_orphan(tideR_stream *stream);
bool tideR_stream_closed(const tideR_stream *stream);
bool tideR_stream_is_wire(const tideR_stream *stream);

/* ---- reading (reader.c) ---- */

/* Where bytes are to go; how many came there, or why none will: not 0. */
char *tideR__stream_room(tideR_stream *stream, size_t *size);
void tideR__stream_filled(tideR_stream *stream, ssize_t n);
/* Who reads takes whatever there is: it need not be read before it runs. It is
 * woken for that. */
bool tideR__stream_defers(const tideR_stream *stream);
void tideR__stream_readable(tideR_stream *stream);
/* Nobody waits for bytes now: of a lazy one none are asked for any more. */
void tideR__stream_rest(tideR_stream *stream);
/* There was no room: who reads is told, the next one tries again. */
void tideR__stream_starved(tideR_stream *stream);

/* True: it is decided, take it. Else bytes are on their way. */
bool tideR_stream_ready(tideR_stream *stream, const tideR_reading *reading);
static inline bool tideR_stream_busy(const tideR_stream *stream) {
  return stream->busy;
}
static inline bool tideR_stream_held(const tideR_stream *stream) {
  return stream->held;
}
/* It is the caller's, though a turn may come first: what to forfeit. */
tideR_wait *tideR_stream_promise(tideR_stream *stream);
/* Until it is decided. */
void tideR_stream_park(tideR_runtime *rt, tideR_task *task,
                       tideR_stream *stream);
/* When who reads runs again. False: there was nothing, after all, and it is to
 * wait again. */
bool tideR_stream_fetch(tideR_stream *stream);
/* What was decided, for who reads it; its bytes are at *bytes, until they are
 * taken or the next one reads: also when it is closed meanwhile. */
const tideR_reading *tideR_stream_see(tideR_stream *stream, const char **bytes);
/* They have been seen to: others may read. */
void tideR_stream_take(tideR_stream *stream);

/* ---- writing (writer.c) ---- */

/* All of it, or an error: what does not go out at once is copied. */
int tideR_stream_write(tideR_stream *stream, const uv_buf_t *bufs, unsigned n);
/* The same of one of the parts of a write. After one that is not the last the
 * stream counts as failed, for all but the next part. */
typedef enum tideR_part { TIDE_PART_FIRST = 1, TIDE_PART_LAST = 2 } tideR_part;
int tideR_stream_write_part(tideR_stream *stream, const uv_buf_t *bufs,
                            unsigned n, int part);
static inline int tideR_stream_failure(const tideR_stream *stream) {
  return stream->failure; /* or 0 */
}
/* More is unsent than may be. */
static inline bool tideR_stream_full(const tideR_stream *stream) {
  return stream->unsent > stream->high_water && stream->failure == 0;
}
/* Until it is not; until nothing is, and the end is if one was to come. */
void tideR_stream_park_full(tideR_runtime *rt, tideR_task *task,
                            tideR_stream *stream);
void tideR_stream_park_drain(tideR_runtime *rt, tideR_task *task,
                             tideR_stream *stream);
bool tideR_stream_drained(const tideR_stream *stream);
/* No more will be written: the peer sees the end after what is unsent. */
int tideR_stream_shutdown(tideR_stream *stream);
/* The transport's: so many bytes went out, or could not. */
void tideR__stream_sent(tideR_stream *stream, size_t n, int status);
void tideR__stream_ended(tideR_stream *stream, int status);

/* ---- wires (wire.c) ---- */

typedef struct tideR_wire {
  tideR_stream stream;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
    uv_tty_t tty;
  } uv;
  union {
    uv_connect_t connect;
    uv_shutdown_t shutdown;
  } request;
  tideR_waitq opener; /* waits until it is connected; closes it if it leaves */
  bool opening;
  int opened; /* how that ended */
} tideR_wire;

static inline tideR_wire *tideR_wire_of(tideR_stream *stream) {
  return (tideR_wire *)stream;
}

tideR_wire *tideR__wire_new(tideR_runtime *rt); /* NULL: no memory */
/* libuv has its handle from now on; or never will, and it is freed. */
void tideR__wire_begin(tideR_wire *wire);
void tideR__wire_discard(tideR_wire *wire);
/* What to give to libuv to connect it. */
uv_connect_t *tideR__wire_connecting(tideR_wire *wire, uv_connect_cb *cb);
bool tideR_wire_opening(const tideR_wire *wire);
int tideR_wire_name(const tideR_wire *wire, bool of_peer,
                    struct sockaddr_storage *name, int *size);
int tideR_wire_opened(const tideR_wire *wire);
void tideR_wire_park(tideR_runtime *rt, tideR_task *task, tideR_wire *wire);

/* ---- pairs (pair.c) ---- */

int tideR_pair_new(tideR_runtime *rt, tideR_stream *out[2]);

/* ---- TCP (tcp.c) ---- */

/* Begins to connect, from `local` if that is not NULL. */
int tideR_tcp_connect(tideR_runtime *rt, const struct sockaddr *to,
                      const struct sockaddr *local, tideR_wire **out);
/* Its own from now on, also when it fails. */
int tideR_tcp_adopt(tideR_runtime *rt, uv_os_sock_t fd, tideR_wire **out);

/* ---- Unix sockets (unix.c) ---- */

/* The name may begin with a zero: then it is of no file, on Linux. */
int tideR_unix_connect(tideR_runtime *rt, const char *name, size_t length,
                       tideR_wire **out);
int tideR_unix_adopt(tideR_runtime *rt, uv_os_sock_t fd, tideR_wire **out);

/* ---- servers (server.c) ---- */

typedef struct tideR_server tideR_server;

typedef struct tideR_listening {
  int backlog;
  bool reuseaddr, reuseport, ipv6only;
  bool replace; /* a socket file that nobody listens at any more */
} tideR_listening;

int tideR_server_tcp(tideR_runtime *rt, const struct sockaddr *at,
                     const tideR_listening *options, tideR_server **out);
int tideR_server_unix(tideR_runtime *rt, const char *name, size_t length,
                      const tideR_listening *options, tideR_server **out);
tideR_handle *tideR_server_handle(tideR_server *server);
bool tideR_server_is_unix(const tideR_server *server);
/* Whether there is one to take now. */
bool tideR_server_ready(tideR_server *server);
/* It is the caller's, though a turn may come first: what to forfeit. */
tideR_wait *tideR_server_promise(tideR_server *server);
void tideR_server_park(tideR_runtime *rt, tideR_task *task,
                       tideR_server *server);
/* Its taker makes room for it: if it does not come to take it, for that failed,
 * it is the next one's. */
void tideR_server_hold(tideR_server *server);
/* The one that was promised, or that was waited for: UV_ECANCELED: closed. */
int tideR_server_take(tideR_server *server, tideR_wire **out);
int tideR_server_name(const tideR_server *server, struct sockaddr_storage *name,
                      int *size);
/* Why accepting pauses since this was last asked; 0: it has not. */
int tideR_server_trouble(tideR_runtime *rt);

/* ---- names (dns.c) ---- */

/* One that is asked of the system. It has two owners: the user, and libuv while
 * a thread is at it. */
typedef struct tideR_lookup tideR_lookup;

/* Of a name, of a service or both; the texts are copied. Of an address. */
int tideR_lookup_info(tideR_lookup **out, const char *host, const char *service,
                      const struct addrinfo *hints);
int tideR_lookup_name(tideR_lookup **out, const struct sockaddr *address);
/* Begins, or gets in line. True: it is over already, without a wait. */
bool tideR_lookup_begin(tideR_runtime *rt, tideR_lookup *lookup);
/* Until it is over. Who leaves gives it up. */
void tideR_lookup_park(tideR_runtime *rt, tideR_task *task,
                       tideR_lookup *lookup);
/* The user's last word: gives it up, if it is not over. */
void tideR_lookup_release(tideR_lookup *lookup);
/* How it ended; what it found, until it is released. */
int tideR_lookup_status(const tideR_lookup *lookup);
const struct addrinfo *tideR_lookup_addresses(const tideR_lookup *lookup);
const char *tideR_lookup_host(const tideR_lookup *lookup);
const char *tideR_lookup_service(const tideR_lookup *lookup);
/* ---- datagrams (udp.c, udpsend.c) ---- */

typedef struct tideR_udp {
  tideR_handle handle;
  uv_udp_t uv;
  struct sockaddr_storage bound; /* to this, as it was asked for */

  struct tideR_datagram *first, **last; /* came, and were not taken yet */
  size_t count, unread;                 /* so many, of so many bytes */
  size_t limit;                         /* of these */
  tideR_waitq receiver;                 /* at most one */
  bool receiving;                       /* from libuv */
  bool busy;    /* a task receives, or was woken and is yet to take it */
  bool decided; /* ... what: */
  int status;   /* 0: the first datagram; or an error */
  bool held;    /* who receives is making it its own */
  int failure;  /* to be told once, to who next receives or sends */

  struct tideR_sending *sendings, **last_sending; /* what did not go out at
                                                     once */
  size_t in_flight, unsent; /* so many, so many bytes: libuv's */
  uint64_t received, bytes_received, dropped;
  uint64_t sent, bytes_sent;
} tideR_udp;

/* A socket of that family at once; AF_UNSPEC: once it is bound, connected or
 * sends. */
int tideR_udp_new(tideR_runtime *rt, int family, tideR_udp **out);
int tideR_udp_bind(tideR_udp *udp, const struct sockaddr *at, bool reuseaddr,
                   bool ipv6only);
/* NULL: to nobody any more. */
int tideR_udp_connect(tideR_udp *udp, const struct sockaddr *to);
int tideR_udp_name(const tideR_udp *udp, bool of_peer,
                   struct sockaddr_storage *name, int *size);
/* Something can come: it has a port. */
bool tideR_udp_bound(const tideR_udp *udp);

/* True: it is decided what there is, take it. */
bool tideR_udp_ready(tideR_udp *udp);
/* It is the caller's, though a turn may come first: what to forfeit. */
tideR_wait *tideR_udp_promise(tideR_udp *udp);
/* Until something comes. False: nothing can; that is what was decided. */
bool tideR_udp_park(tideR_runtime *rt, tideR_task *task, tideR_udp *udp);
/* What was decided, for who receives: 0 and a datagram, whose bytes stay until
 * it is taken, or an error. */
int tideR_udp_see(tideR_udp *udp, const char **bytes, size_t *size,
                  struct sockaddr_storage *from);
/* It has been seen to: others may receive. */
void tideR_udp_take(tideR_udp *udp);

/* Sends at once, to the peer if `to` is NULL. UV_EAGAIN: not now. */
int tideR_udp_try_send(tideR_udp *udp, const char *bytes, size_t size,
                       const struct sockaddr *to);
/* Copies it; the task waits until it is sent. An error: it does not wait. */
int tideR_udp_send(tideR_runtime *rt, tideR_task *task, tideR_udp *udp,
                   const char *bytes, size_t size, const struct sockaddr *to);
/* How the send of a task ended that could not send; NULL: no memory. */
tideR_wait *tideR_udp_failed(tideR_udp *udp, int err);
/* How it ended, of a task whose wait was that, or a turn. */
int tideR_udp_sent(tideR_task *task);

#pragma GCC visibility pop

#endif

/*
 * streams.h: what the files of streams and servers share among them. Private.
 *
 *   address.c  hosts and ports, to and from sockaddr
 *   stream.c   the Stream object: its life, its names, its numbers
 *   reader.c   its methods that read, and a File's
 *   writer.c   its methods that write
 *   tcp.c      streams that connect
 *   server.c   the Server object
 *   dns.c      lookups of names and addresses
 *   stdio.c    standard input, output, error; what terminals do besides
 *   udp.c      the Udp object: datagrams
 *   poll.c     waiting for descriptors of others
 */
#ifndef TIDE_STREAMS_H
#define TIDE_STREAMS_H

#include "../runtime/handle.h"
#include "bindings.h"

#pragma GCC visibility push(hidden)

typedef struct sockaddr_storage tideL_address;

/* ---- address.c ---- */

/* False: the host is a name. */
bool tideL_parseaddress(const char *host, size_t length, int port,
                        tideL_address *out);
/* The host at `arg`, in numbers, and the port after it. False: it is a name. */
bool tideL_readaddress(lua_State *L, int arg, const char *function,
                       tideL_address *out);
unsigned tideL_checkport(lua_State *L, int arg, const char *function);
/* Pushes host and port, or the path of a Unix socket; returns how many. */
int tideL_pushaddress(lua_State *L, const tideL_address *address, int size);

/* ---- stream.c ---- */

/* Of a Stream, or of a File, which reads in the same way. */
typedef struct tideL_stream {
  uint32_t magic;
  uint32_t serial;      /* of the runtime */
  tideR_stream *stream; /* NULL: it could not be made */
  uv_buf_t *separators; /* of who reads */
  unsigned room;
  bool keeps;   /* ... the end of its line */
  bool is_file; /* a File, by class */
  int refused;  /* why a write was not done, until it has told so */
} tideL_stream;

/* How streams are to be: what an options table says of it. */
typedef struct tideL_wiring {
  bool nodelay;
  unsigned keepalive; /* seconds; 0: no */
  size_t limit, high_water;
} tideL_wiring;

/* Of the table at `arg`, or nil. */
void tideL_readwiring(lua_State *L, int arg, const char *function,
                      tideL_wiring *out);
/* A number of bytes that the table may have. */
size_t tideL_optsize(lua_State *L, int arg, const char *function,
                     const char *field, size_t otherwise);
bool tideL_optflag(lua_State *L, int arg, const char *field, bool otherwise);

/* Pushes one that has no stream yet. */
tideL_stream *tideL_newstream(lua_State *L, const tideL_state *S);
/* The same, or a File. */
tideL_stream *tideL_newstreamof(lua_State *L, const tideL_state *S,
                                bool is_file);
int tideL_streamgc(lua_State *L); /* its __gc */
/* Raises if the loop of an object is closed, or what it stands for is no more:
 * a finaliser may ask what was collected before. */
void tideL_checkserial(lua_State *L, const tideL_state *S, uint32_t serial,
                       const void *it, const char *function);
bool tideL_streamclosed(const tideL_stream *self);
/* Gives it that. */
void tideL_wire(tideL_stream *self, tideR_wire *wire,
                const tideL_wiring *wiring);
/* A File if the function's name begins with that: "File:read". */
tideL_stream *tideL_checkstream(lua_State *L, const tideL_state *S,
                                const char *function);
/* The same of one whose loop may be closed. */
tideL_stream *tideL_streamtype(lua_State *L, const char *function);
/* nil, message, code; of one that is closed, or at its end, in words. */
int tideL_pushfault(lua_State *L, int err);

/* ---- dns.c, udp.c ---- */

typedef struct tideL_udp {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  bool reuseaddr, ipv6only;
  tideR_udp *udp; /* NULL: it could not be made */
} tideL_udp;

/* ---- reader.c, writer.c, tcp.c, server.c, dns.c, udp.c ---- */

/* To the methods on top, which are a Stream's or a File's. */
void tideL_addreading(lua_State *L, bool is_file);
/* Raises in a finaliser that runs while what was read is made a string. */
void tideL_checkunheld(lua_State *L, const char *function,
                       const tideR_stream *stream);
void tideL_addwriting(lua_State *L);
void tideL_openstream(lua_State *L);
void tideL_opentcp(lua_State *L);
void tideL_openserver(lua_State *L);
void tideL_opendns(lua_State *L);
void tideL_addterminal(lua_State *L); /* to the methods on top */
void tideL_openstdio(lua_State *L);
/* It is standard input, output or error: nothing unsent is lost with it. */
void tideL_flushstdio(const tideL_stream *self);
void tideL_openudp(lua_State *L);
void tideL_openpoll(lua_State *L);
void tideL_openprocess(lua_State *L); /* process.c */
/* A chore: reports why accepting pauses. */
void tideL_reporttrouble(lua_State *T, tideL_state *S);

#pragma GCC visibility pop

#endif

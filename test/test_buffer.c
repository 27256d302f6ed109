/* test_buffer.c: bytes that were read and not taken yet. */
#include "internal.h"
#include "memory.h"
#include "test.h"

#define CHUNK 524288
#define OFFER 69632 /* at most, in a chunk */
#define LEAST 16384

/* `n` bytes come, all at once. */
static bool put(tideR_runtime *rt, tideR_buffer *buffer, const char *bytes,
                size_t n) {
  size_t size;
  char *room = tideR__buffer_room(rt, buffer, &size);
  if (room == NULL)
    return false;
  CHECK(size >= n);
  memcpy(room, bytes, n);
  tideR__buffer_filled(rt, buffer, size, n);
  return true;
}

static void put_text(tideR_runtime *rt, tideR_buffer *buffer,
                     const char *text) {
  CHECK(put(rt, buffer, text, strlen(text)));
}

static void check_text(const tideR_buffer *buffer, const char *text) {
  CHECK_EQ(buffer->length, strlen(text));
  if (buffer->length == strlen(text))
    CHECK(memcmp(buffer->bytes, text, buffer->length) == 0);
}

/* As much as is offered, of one letter. */
static size_t fill(tideR_runtime *rt, tideR_buffer *buffer, char letter) {
  size_t size;
  char *room = tideR__buffer_room(rt, buffer, &size);
  CHECK(room != NULL);
  memset(room, letter, size);
  tideR__buffer_filled(rt, buffer, size, size);
  return size;
}

static bool is_empty(const tideR_buffer *buffer) {
  return buffer->bytes == NULL && buffer->length == 0 &&
         buffer->chunk == NULL && buffer->own == NULL && buffer->room == 0;
}

/* ---- in a chunk ---- */

TEST(what_is_taken_soon_costs_no_memory_of_its_own) {
  tideR_buffer buffer = {0};
  const char *first;
  long blocks = memory.blocks;
  put_text(rt, &buffer, "abc");
  first = buffer.bytes;
  for (int i = 0; i < 1000; i++) {
    check_text(&buffer, "abc");
    tideR__buffer_take(rt, &buffer, 3);
    CHECK(is_empty(&buffer));
    put_text(rt, &buffer, "abc");
    CHECK(buffer.bytes == first); /* the chunk begins again */
  }
  tideR__buffer_clear(rt, &buffer);
  CHECK_EQ(memory.blocks, blocks + 1);
}

TEST(the_little_that_many_have_lies_side_by_side) {
  enum { MANY = 10000 };
  static tideR_buffer buffers[MANY];
  long blocks = memory.blocks;
  memset(buffers, 0, sizeof buffers);
  for (int i = 0; i < MANY; i++) {
    char text[16];
    snprintf(text, sizeof text, "%010d", i);
    put_text(rt, &buffers[i], text);
  }
  CHECK_EQ(memory.blocks, blocks + 1);
  for (int i = 0; i < MANY; i++) {
    char text[16];
    snprintf(text, sizeof text, "%010d", i);
    check_text(&buffers[i], text);
    CHECK(i == 0 || buffers[i].bytes == buffers[i - 1].bytes + 10);
    if (i > 0)
      tideR__buffer_clear(rt, &buffers[i - 1]);
  }
  tideR__buffer_clear(rt, &buffers[MANY - 1]);
}

TEST(what_was_offered_and_did_not_come_is_offered_again) {
  tideR_buffer a = {0}, b = {0};
  size_t size;
  char *room = tideR__buffer_room(rt, &a, &size);
  CHECK_EQ(size, OFFER);
  tideR__buffer_filled(rt, &a, size, 0);
  CHECK(is_empty(&a));
  CHECK(tideR__buffer_room(rt, &a, &size) == room);
  tideR__buffer_filled(rt, &a, size, 5);
  CHECK(tideR__buffer_room(rt, &b, &size) == room + 5);
  tideR__buffer_filled(rt, &b, size, 0);
  tideR__buffer_clear(rt, &a);
}

TEST(the_last_one_in_a_chunk_goes_on_in_place) {
  tideR_buffer buffer = {0};
  const char *first;
  put_text(rt, &buffer, "one");
  first = buffer.bytes;
  put_text(rt, &buffer, " two");
  CHECK(buffer.bytes == first && buffer.own == NULL);
  check_text(&buffer, "one two");
  tideR__buffer_take(rt, &buffer, 4);
  put_text(rt, &buffer, " three");
  CHECK(buffer.bytes == first + 4);
  check_text(&buffer, "two three");
  tideR__buffer_clear(rt, &buffer);
}

TEST(another_one_goes_on_in_memory_of_its_own) {
  tideR_buffer a = {0}, b = {0};
  long blocks;
  put_text(rt, &a, "first");
  put_text(rt, &b, "second");
  blocks = memory.blocks;
  put_text(rt, &a, " third");
  CHECK_EQ(memory.blocks, blocks + 1);
  CHECK(a.own != NULL && a.chunk == NULL);
  check_text(&a, "first third");
  check_text(&b, "second");
  put_text(rt, &b, " fourth"); /* it is the last one still */
  CHECK(b.own == NULL);
  check_text(&b, "second fourth");
  tideR__buffer_take(rt, &a, 11); /* empty: back to a chunk */
  CHECK(is_empty(&a));
  CHECK_EQ(memory.blocks, blocks);
  put_text(rt, &a, "fifth");
  CHECK(a.own == NULL);
  tideR__buffer_clear(rt, &a);
  tideR__buffer_clear(rt, &b);
}

TEST(one_fills_its_chunk_and_goes_on_elsewhere) {
  tideR_buffer buffer = {0};
  size_t length = 0;
  for (char letter = 'a'; buffer.own == NULL; letter++)
    length += fill(rt, &buffer, letter);
  CHECK(length > CHUNK - LEAST);
  CHECK_EQ(buffer.length, length);
  for (size_t i = 0; i < CHUNK; i++)
    if (buffer.bytes[i] != 'a' + (int)(i / OFFER)) {
      CHECK_EQ(buffer.bytes[i], 'a' + (int)(i / OFFER));
      break;
    }
  tideR__buffer_clear(rt, &buffer);
}

TEST(who_begins_finds_a_whole_offer) {
  tideR_buffer a = {0}, b = {0};
  size_t size;
  while (CHUNK - a.length >= OFFER + 100)
    fill(rt, &a, 'a');
  put(rt, &a, "more", 4);
  CHECK(a.own == NULL && CHUNK - a.length < OFFER);
  tideR__buffer_room(rt, &b, &size); /* in another chunk */
  CHECK_EQ(size, OFFER);
  tideR__buffer_filled(rt, &b, size, 7);
  CHECK(b.chunk != a.chunk);
  put_text(rt, &a, "!"); /* where it was, there is yet enough for it */
  CHECK(a.own == NULL);
  tideR__buffer_clear(rt, &a);
  tideR__buffer_clear(rt, &b);
}

TEST(empty_chunks_are_kept_but_not_many) {
  enum { MANY = 12 };
  tideR_buffer buffers[MANY] = {{0}};
  long blocks = memory.blocks, kept;
  for (int i = 0; i < MANY; i++) {
    while (buffers[i].length < CHUNK - LEAST)
      fill(rt, &buffers[i], 'x');
    CHECK(buffers[i].own == NULL);
  }
  CHECK_EQ(memory.blocks, blocks + MANY);
  for (int i = 0; i < MANY; i++)
    tideR__buffer_clear(rt, &buffers[i]);
  kept = memory.blocks - blocks;
  CHECK(kept > 1 && kept < MANY / 2);
  for (int i = 0; i < kept; i++)
    while (buffers[i].length < CHUNK - LEAST)
      fill(rt, &buffers[i], 'y');
  CHECK_EQ(memory.blocks, blocks + kept); /* they were used again */
  for (int i = 0; i < kept; i++)
    tideR__buffer_clear(rt, &buffers[i]);
}

TEST(a_chunk_stays_while_one_of_many_has_bytes_in_it) {
  tideR_buffer buffers[100] = {{0}};
  long blocks = memory.blocks;
  for (int i = 0; i < 100; i++)
    put_text(rt, &buffers[i], "text");
  for (int i = 0; i < 100; i++)
    if (i != 50)
      tideR__buffer_clear(rt, &buffers[i]);
  for (int i = 0; i < 100; i++)
    if (i != 50)
      while (buffers[i].length < CHUNK - LEAST)
        fill(rt, &buffers[i], 'x');
  check_text(&buffers[50], "text");
  for (int i = 0; i < 100; i++)
    tideR__buffer_clear(rt, &buffers[i]);
  CHECK(memory.blocks - blocks < 10);
}

/* ---- in memory of its own ---- */

TEST(what_is_reserved_needs_no_second_place) {
  tideR_buffer buffer = {0};
  const char *own;
  size_t n = 0;
  put_text(rt, &buffer, "begins");
  CHECK(tideR__buffer_reserve(rt, &buffer, 1000000));
  own = buffer.bytes;
  check_text(&buffer, "begins");
  while (buffer.length + LEAST <= 1000000) {
    size_t size;
    char *room = tideR__buffer_room(rt, &buffer, &size);
    CHECK(room != NULL && size >= LEAST);
    n = size < 12345 ? size : 12345;
    memset(room, 'x', n);
    tideR__buffer_filled(rt, &buffer, size, n);
  }
  CHECK(buffer.bytes == own);
  tideR__buffer_clear(rt, &buffer);
}

TEST(what_was_taken_makes_room_for_what_comes) {
  tideR_buffer buffer = {0};
  size_t room;
  CHECK(tideR__buffer_reserve(rt, &buffer, 100));
  room = buffer.room;
  CHECK(tideR__buffer_append(rt, &buffer, "0123456789", 10));
  for (int i = 0; i < 1000; i++) {
    CHECK(tideR__buffer_append(rt, &buffer, "0123456789", 10));
    tideR__buffer_take(rt, &buffer, 10);
    check_text(&buffer, "0123456789");
  }
  CHECK_EQ(buffer.room, room);
  tideR__buffer_clear(rt, &buffer);
}

TEST(more_than_there_can_be_is_refused) {
  tideR_buffer buffer = {0};
  put_text(rt, &buffer, "text");
  CHECK(!tideR__buffer_reserve(rt, &buffer, SIZE_MAX));
  CHECK(!tideR__buffer_reserve(rt, &buffer, SIZE_MAX - 3));
  check_text(&buffer, "text");
  tideR__buffer_clear(rt, &buffer);
}

/* ---- find ---- */

TEST(a_text_is_found_where_it_first_is) {
  static const char text[] = "aabaaab\0aab";
  for (size_t length = 0; length < sizeof text; length++)
    for (size_t from = 0; from < length; from++)
      for (size_t n = 1; from + n <= length; n++) {
        const char *found = tideR__find(text, length, text + from, n);
        size_t expected = 0;
        while (memcmp(text + expected, text + from, n) != 0)
          expected++;
        CHECK_EQ(found - text, expected);
      }
  CHECK(tideR__find(text, sizeof text, "abc", 3) == NULL);
  CHECK(tideR__find(text, 2, "aab", 3) == NULL);
  CHECK(tideR__find(text, 0, "a", 1) == NULL);
}

/* ---- any order, with and without memory ---- */

enum { BUFFERS = 24 };

static struct {
  tideR_buffer buffer;
  uint32_t came, taken; /* of its bytes, which it has in order */
} model[BUFFERS];

static char byte_of(int which, uint32_t at) {
  return (char)((at * 31 + (uint32_t)which * 7 + at / 251) % 251);
}

static void check_model(int which) {
  const tideR_buffer *buffer = &model[which].buffer;
  uint32_t n = model[which].came - model[which].taken;
  bool same = buffer->length == n && (n > 0) == (buffer->bytes != NULL);
  CHECK(buffer->chunk == NULL || buffer->own == NULL);
  for (uint32_t i = 0; same && i < n; i += n < 64 ? 1 : 13)
    same = buffer->bytes[i] == byte_of(which, model[which].taken + i);
  CHECK(same);
}

static void model_put(tideR_runtime *rt, int which, uint32_t n) {
  size_t size;
  char *room = tideR__buffer_room(rt, &model[which].buffer, &size);
  if (room == NULL) {
    CHECK(memory.failed > 0);
    return;
  }
  CHECK(size >= LEAST);
  if (n > size)
    n = (uint32_t)size;
  for (uint32_t i = 0; i < n; i++)
    room[i] = byte_of(which, model[which].came + i);
  tideR__buffer_filled(rt, &model[which].buffer, size, n);
  model[which].came += n;
}

static void model_take(tideR_runtime *rt, int which, uint32_t n) {
  uint32_t length = model[which].came - model[which].taken;
  if (n > length)
    n = length;
  if (n == 0)
    return;
  tideR__buffer_take(rt, &model[which].buffer, n);
  model[which].taken += n;
}

static void model_step(tideR_runtime *rt, uint32_t *seed) {
  int which = (int)(next_number(seed) % BUFFERS);
  uint32_t n = next_number(seed) % 4 == 0 ? next_number(seed) % 100000
                                          : next_number(seed) % 200;
  memory.failed = 0;
  switch (next_number(seed) % 8) {
  case 0:
    tideR__buffer_clear(rt, &model[which].buffer);
    model[which].taken = model[which].came;
    break;
  case 1:
    tideR__buffer_reserve(rt, &model[which].buffer, n);
    if (model[which].buffer.length == 0) /* as nobody leaves it */
      tideR__buffer_clear(rt, &model[which].buffer);
    break;
  case 2:
  case 3:
  case 4:
    model_take(rt, which, n);
    break;
  default:
    model_put(rt, which, n);
  }
  check_model(which);
}

static void run_model(tideR_runtime *rt, uint32_t seed, long fails_at) {
  memset(model, 0, sizeof model);
  memory_fails(fails_at, fails_at % 2 == 0);
  for (int i = 0; i < 300; i++) {
    model_step(rt, &seed);
    if (i % 16 == 0)
      memory_fails(fails_at, fails_at % 2 == 0); /* again, later on */
  }
  memory_works();
  for (int i = 0; i < BUFFERS; i++) {
    check_model(i);
    tideR__buffer_clear(rt, &model[i].buffer);
  }
}

TEST(any_order_keeps_every_byte_with_and_without_memory) {
  long blocks = memory.blocks;
  for (uint32_t seed = 1; seed <= 20; seed++) {
    tideR_runtime *other = runtime_new();
    run_model(other, seed, LONG_MAX);
    for (long n = 0; n < 12; n++)
      run_model(other, seed, n);
    runtime_free(other);
    CHECK_EQ(memory.blocks, blocks);
  }
}

/* Shared by the fake provider and the load generator: clock, fatal errors, and the expected audio. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* One frame of MPEG 1 layer III at 128 kbit/s and 44.1 kHz, the suite's default format. */
enum { FRAME_BYTES = 417, FRAME_HEADER_BYTES = 4 };

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline struct timespec duration_of_ns(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Returns `bytes` of frames and one more frame, so that a read may begin anywhere within a frame.
 *
 * No usual chunk size is a multiple of a frame's length. A chunk that is lost, repeated or moved therefore shifts all
 * bytes after it, and a comparison finds that from the position in the stream alone.
 */
static inline unsigned char *make_audio(size_t bytes)
{
    static const unsigned char header[FRAME_HEADER_BYTES] = {0xff, 0xfb, 0x90, 0x00};
    unsigned char *audio = malloc(bytes + FRAME_BYTES);
    if (!audio)
        die("malloc");
    for (size_t i = 0; i < bytes + FRAME_BYTES; i++) {
        size_t place = i % FRAME_BYTES;
        /* 0xff would look like the start of a frame; letters could look like the tag of an info frame. */
        audio[i] = place < FRAME_HEADER_BYTES ? header[place] : (unsigned char)(0x80 + place % 0x70);
    }
    return audio;
}

#endif

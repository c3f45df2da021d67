/* Records of audio and timing, as the real API sends them. */
#ifndef BENCH_RECORDS_H
#define BENCH_RECORDS_H

#include <stddef.h>

/* Prepares the data that records copy; call it once.
 *
 * `audio` comes from `make_audio`; no record has more than `bytes` of it.
 */
void records_prepare(const unsigned char *audio, size_t bytes);

/* Returns the length of the longest record with this many bytes of audio. */
size_t record_room(size_t audio_bytes);

/* Writes a record with the `audio_bytes` bytes from `position` of the stream; returns its length. */
size_t record_write(char *out, size_t position, size_t audio_bytes);

#endif

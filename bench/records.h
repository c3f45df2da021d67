/* Records of audio and timing, as the real API sends them. */
#ifndef BENCH_RECORDS_H
#define BENCH_RECORDS_H

#include <stddef.h>

/* Prepares what records are copied from; called once.
 *
 * `audio` is of `make_audio`; no record will have more than `bytes` of it.
 */
void records_prepare(const unsigned char *audio, size_t bytes);

/* Returns how long the longest record of so many bytes of audio is. */
size_t record_room(size_t audio_bytes);

/* Writes the record of `audio_bytes` that follow the first `position` bytes of the stream; returns its length. */
size_t record_write(char *out, size_t position, size_t audio_bytes);

#endif

/* Writes records of audio and timing, as the real API sends them, at little more than the cost of copying. */
#include "records.h"

#include <string.h>

#include "common.h"

enum {
    /* 16,000 bytes per second, with as many letters as a fast speaker says in that time. */
    BYTES_PER_CHARACTER = 1024,
    BYTES_PER_MS = 16,
    /* In both alignments: "a", and two times of eight digits with a point and a comma. */
    ROOM_PER_CHARACTER = 64,
    ROOM_FOR_NAMES = 512,
};

/* Base64 of the audio from its first, second and third byte: a record may begin at any of these. */
static char *texts[3];
static const unsigned char *bytes_of_audio;

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *encode_group(char *out, const unsigned char *in, size_t bytes)
{
    unsigned group = (unsigned)in[0] << 16 | (bytes > 1 ? (unsigned)in[1] << 8 : 0) | (bytes > 2 ? in[2] : 0);
    out[0] = digits[group >> 18];
    out[1] = digits[group >> 12 & 63];
    out[2] = bytes > 1 ? digits[group >> 6 & 63] : '=';
    out[3] = bytes > 2 ? digits[group & 63] : '=';
    return out + 4;
}

void records_prepare(const unsigned char *audio, size_t bytes)
{
    bytes_of_audio = audio;
    for (size_t phase = 0; phase < 3; phase++) {
        size_t groups = (bytes + FRAME_BYTES - phase) / 3;
        char *out = texts[phase] = malloc(4 * groups);
        if (!out)
            die("malloc");
        for (size_t i = 0; i < groups; i++)
            out = encode_group(out, audio + phase + 3 * i, 3);
    }
}

size_t record_room(size_t audio_bytes)
{
    return audio_bytes / 3 * 4 + audio_bytes / BYTES_PER_CHARACTER * ROOM_PER_CHARACTER + ROOM_FOR_NAMES;
}

static char *put_text(char *out, const char *text)
{
    return stpcpy(out, text);
}

static char *put_audio(char *out, size_t position, size_t bytes)
{
    /* A frame is 139 groups of three bytes long, so all frames have the same base64. */
    size_t place = position % FRAME_BYTES, phase = place % 3, whole = bytes / 3;
    memcpy(out, texts[phase] + (place - phase) / 3 * 4, 4 * whole);
    out += 4 * whole;
    return bytes % 3 ? encode_group(out, bytes_of_audio + place + 3 * whole, bytes % 3) : out;
}

/* Writes the start times of the characters from `first` to `end`; with `later` 1, their end times. */
static char *put_times(char *out, size_t first, size_t end, size_t later)
{
    for (size_t i = first; i < end; i++) {
        size_t ms = (i + later) * BYTES_PER_CHARACTER / BYTES_PER_MS;
        out += sprintf(out, "%s%zu.%03zu", i == first ? "" : ",", ms / 1000, ms % 1000);
    }
    return out;
}

static char *put_alignment(char *out, size_t first, size_t end)
{
    out = put_text(out, "{\"characters\":[");
    for (size_t i = first; i < end; i++) {
        const char entry[] = {',', '"', (char)(i % 6 == 5 ? ' ' : 'a' + i % 26), '"', 0};
        out = put_text(out, entry + (i == first));
    }
    out = put_times(put_text(out, "],\"character_start_times_seconds\":["), first, end, 0);
    out = put_times(put_text(out, "],\"character_end_times_seconds\":["), first, end, 1);
    return put_text(out, "]}");
}

size_t record_write(char *out, size_t position, size_t audio_bytes)
{
    size_t first = position / BYTES_PER_CHARACTER, end = (position + audio_bytes) / BYTES_PER_CHARACTER;
    char *at = put_audio(put_text(out, "{\"audio_base64\":\""), position, audio_bytes);
    at = put_text(at, "\",\"alignment\":");
    char *alignment = at;
    at = put_alignment(at, first, end);
    size_t alignment_bytes = (size_t)(at - alignment);
    at = put_text(at, ",\"normalized_alignment\":");
    memcpy(at, alignment, alignment_bytes);
    at = put_text(at + alignment_bytes, "}\n");
    return (size_t)(at - out);
}

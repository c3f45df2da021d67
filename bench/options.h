/* Options of the load generator: one field for each. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>

struct options {
    /* --users: number of concurrent users. */
    int users;
    /* --seconds: time in which new requests start. */
    double seconds;
    /* --ramp-ms: time over which the users start. */
    double ramp_ms;
    /* --header 'name: value', may be repeated. */
    char headers[8192];
    /* --body: JSON; ########## in it becomes the number of the text. */
    const char *body;
    /* --first-text: number of the first text; every request takes the next. */
    unsigned long first_text;
    /* --texts: number of texts before the first is repeated; 0: every request has a new text. */
    unsigned long texts;
    /* --together: 1: all users send the same texts in the same order. */
    int together;
    /* --body-bytes: length of the audio that every response must have. */
    size_t body_bytes;
    /* --chunk-bytes, --first-ms, --gap-ms: the provider's schedule, for measuring delays; 0 bytes: no schedule. */
    size_t chunk_bytes;
    double first_ms, gap_ms;
    /* --late-ms: a chunk that is delayed by more counts as late. */
    double late_ms;
    /* --play-ms: duration of a chunk; one that arrives after playback needs it counts as starved. 0: not measured. */
    double play_ms;
    /* The URL: the only positional argument. */
    int port;
    const char *path;
};

extern struct options options;

/* Fills `options` from the command line; exits with status 2 if it is wrong. */
void options_read(int count, char **arguments);

/* Prints the reason to standard error and exits with status 2. */
_Noreturn void options_refuse(const char *why);

#endif

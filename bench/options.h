/* Options of the load generator: one field for each. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>

struct options {
    /* --users: number of concurrent users. */
    int users;
    /* --seconds: time in which new requests start. */
    double seconds;
    /* --ramp-ms: the time over which the users arrive. */
    double ramp_ms;
    /* --header 'name: value', as often as need be. */
    char headers[8192];
    /* --body: JSON; ########## in it becomes the number of the text. */
    const char *body;
    /* --first-text: number of the first text; every request takes the next. */
    unsigned long first_text;
    /* --texts: after how many texts the first comes again; 0: never. */
    unsigned long texts;
    /* --together: 1: all users send the same texts in the same order. */
    int together;
    /* --body-bytes: length of the audio that every answer must have. */
    size_t body_bytes;
    /* --chunk-bytes, --first-ms, --gap-ms: the provider's schedule, to which lateness is measured; 0 bytes: none. */
    size_t chunk_bytes;
    double first_ms, gap_ms;
    /* --late-ms: from where on a chunk counts as late. */
    double late_ms;
    /* --play-ms: how long a chunk plays; one that comes after its turn to be played counts as starved. 0: none does. */
    double play_ms;
    /* The URL, the one argument without a name. */
    int port;
    const char *path;
};

extern struct options options;

/* Fills `options` from the command line; ends the program with status 2 if it makes no sense. */
void options_read(int count, char **arguments);

/* Prints the reason on standard error and ends the program with status 2. */
_Noreturn void options_refuse(const char *why);

#endif

/* Responses of the fake provider: audio on a schedule, either raw or in records with timing. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_PIECE_BYTES = 1024 * 1024 };

struct answer {
    bool active;
    bool begun;
    bool chunked;
    bool timed;
    int pieces_left;
    size_t piece_bytes;
    size_t position;
    int64_t due_ns;
    int64_t gap_ns;
};

/* Prepares the audio of all responses; call it once. */
void answers_prepare(void);

/* Begins the response to a speech request; returns false for any other request. */
bool answer_begin(struct answer *a, const char *request, int64_t now);

/* Sets the next piece, which stays valid until the next call; returns its length. */
size_t answer_piece(struct answer *a, const char **piece);

/* Writes the head of a response whose first piece has this length; returns the length of the head. */
size_t answer_head(const struct answer *a, size_t piece_bytes, char *head, size_t room);

#endif

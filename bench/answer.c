/* Parses a request to the fake provider and builds the response piece by piece. */
#include "answer.h"

#include <string.h>

#include "common.h"
#include "records.h"

enum { MAX_PIECES = 100000, MS = 1000000 };

static unsigned char *audio;
static char *record;

void answers_prepare(void)
{
    audio = make_audio(MAX_PIECE_BYTES);
    record = malloc(record_room(MAX_PIECE_BYTES));
    if (!record)
        die("malloc");
    records_prepare(audio, MAX_PIECE_BYTES);
}

bool answer_begin(struct answer *a, const char *request, int64_t now)
{
    static const char route[] = "POST /v1/text-to-speech/", timed[] = "/with-timestamps";
    int pieces = 1, bytes, first_ms, gap_ms = 0;
    const char *voice = request + sizeof route - 1, *line_end = strchr(request, '\r'), *suffix = strstr(request, timed);
    if (strncmp(request, route, sizeof route - 1))
        return false;
    if (sscanf(voice, "s-%d-%d-%d-%d", &pieces, &bytes, &first_ms, &gap_ms) == 4)
        a->chunked = true;
    else if (sscanf(voice, "u-%d-%d", &bytes, &first_ms) == 2)
        a->chunked = false;
    else
        return false;
    if (pieces < 1 || pieces > MAX_PIECES || bytes < 1 || bytes > MAX_PIECE_BYTES || first_ms < 0 || gap_ms < 0)
        return false;
    a->timed = suffix && line_end && suffix < line_end;
    a->pieces_left = pieces;
    a->piece_bytes = (size_t)bytes;
    a->position = 0;
    a->due_ns = now + (int64_t)first_ms * MS;
    a->gap_ns = (int64_t)gap_ms * MS;
    a->begun = false;
    a->active = true;
    return true;
}

size_t answer_piece(struct answer *a, const char **piece)
{
    size_t position = a->position;
    a->position += a->piece_bytes;
    a->due_ns += a->gap_ns;
    a->active = --a->pieces_left > 0;
    *piece = a->timed ? record : (const char *)audio + position % FRAME_BYTES;
    return a->timed ? record_write(record, position, a->piece_bytes) : a->piece_bytes;
}

size_t answer_head(const struct answer *a, size_t piece_bytes, char *head, size_t room)
{
    char length[64] = "transfer-encoding: chunked";
    if (!a->chunked)
        snprintf(length, sizeof length, "content-length: %zu", piece_bytes);
    return (size_t)snprintf(head, room,
                            "HTTP/1.1 200 OK\r\ncontent-type: %s\r\nrequest-id: bench\r\n"
                            "character-cost: 1\r\n%s\r\n\r\n",
                            a->timed ? "application/json" : "audio/mpeg", length);
}

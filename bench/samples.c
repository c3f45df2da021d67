/* A growing array of doubles and its percentiles. */
#include "samples.h"

#include <math.h>

#include "common.h"

void samples_add(struct samples *s, double value)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 1024;
        s->values = realloc(s->values, s->capacity * sizeof *s->values);
        if (!s->values)
            die("realloc");
    }
    s->values[s->count++] = value;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double percentile(const struct samples *s, double share)
{
    size_t rank = (size_t)ceil(share * (double)s->count);
    return s->values[rank ? rank - 1 : 0];
}

void samples_print(struct samples *s, const char *name)
{
    if (!s->count) {
        printf("\"%s\": null", name);
        return;
    }
    qsort(s->values, s->count, sizeof *s->values, ascending);
    printf("\"%s\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, percentile(s, 0.5),
           percentile(s, 0.9), percentile(s, 0.99), percentile(s, 1));
}

/* Stores measured values and prints their percentiles. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>

struct samples {
    double *values;
    size_t count, capacity;
};

void samples_add(struct samples *samples, double value);

/* Prints `"name": {"p50": …, "p90": …, "p99": …, "max": …}` with nearest ranks; null without samples. */
void samples_print(struct samples *samples, const char *name);

#endif

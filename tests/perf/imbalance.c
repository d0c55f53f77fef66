// SPDX-License-Identifier: BSD-3-Clause

// How unevenly subscribers load the workers that have them, without a packet: subscribers with consecutive inside
// addresses, whose loads are as 1 / rank^s in random order, are dealt as the box deals them. The box is full when
// its busiest worker is; what it carries then, of what it could if all were equal, is its `use`.
//
// usage: bench-imbalance [--json] [--runs N]

#include "base/bits.h"
#include "base/rand.h"
#include "table/pool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIBERS_MAX 100000
#define RUNS_MAX        1000
#define SEED            64
#define LINE                                                                                       \
	200.0 // the most a subscriber can do, as a multiple of the mean: a line of 1 Gb/s of 5 Mb/s

static double load[SUBSCRIBERS_MAX];

// Loads as 1 / rank^s, none above `most` times the mean of what was asked for.
static void fill(unsigned subscribers, double s, double most)
{
	double sum = 0;

	for (unsigned i = 0; i < subscribers; i++) {
		load[i] = pow(i + 1, -s);
		sum += load[i];
	}
	for (unsigned i = 0; i < subscribers; i++)
		load[i] = fmin(load[i], most * sum / subscribers);
}

static void shuffle(unsigned subscribers, struct rand *random)
{
	for (unsigned i = subscribers - 1; i; i--) {
		unsigned k = rand_below(random, i + 1);
		double other = load[k];

		load[k] = load[i];
		load[i] = other;
	}
}

// The mean load of the workers by the largest.
static double use_of(unsigned subscribers, unsigned workers)
{
	double of[POOL_MAX_WORKERS] = {0}, sum = 0, most = 0;

	for (unsigned i = 0; i < subscribers; i++) {
		rte_be32_t address = rte_cpu_to_be_32(0x64400000 + i); // 100.64.0.0

		of[pool_worker_of_inside(address, workers)] += load[i];
		sum += load[i];
	}
	for (unsigned w = 0; w < workers; w++)
		most = fmax(most, of[w]);
	return sum / workers / most;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static const unsigned subscribers[] = {1000, 10000, 100000};
	static const double exponents[] = {0, 0.8, 1.0, 1.2};
	static const unsigned workers[] = {4, 8, 16, 32, 48, 64};
	static double use[RUNS_MAX];
	unsigned runs = 101;
	bool json = false;
	struct rand random;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strcmp(argv[i], "--runs") && i + 1 < argc) {
			runs = (unsigned)strtoul(argv[++i], NULL, 10);
		} else {
			runs = 0;
			break;
		}
	}
	if (!runs || runs > RUNS_MAX) {
		fprintf(stderr, "usage: bench-imbalance [--json] [--runs 1-%u]\n", RUNS_MAX);
		return 2;
	}
	rand_seed_fixed(&random, SEED);
	if (!json)
		printf("%11s %4s %7s  %6s  %6s\n", "subscribers", "s", "workers", "median",
			"worst");
	for (unsigned n = 0; n < ARRAY_LEN(subscribers); n++) {
		for (unsigned e = 0; e < ARRAY_LEN(exponents); e++) {
			for (unsigned w = 0; w < ARRAY_LEN(workers); w++) {
				fill(subscribers[n], exponents[e], LINE);
				for (unsigned r = 0; r < runs; r++) {
					shuffle(subscribers[n], &random);
					use[r] = use_of(subscribers[n], workers[w]);
				}
				qsort(use, runs, sizeof(use[0]), ascending);
				printf(json ? "{\"subscribers\": %u, \"s\": %.1f, \"workers\": %u, "
					      "\"median\": %.3f, \"worst\": %.3f}\n"
					    : "%11u %4.1f %7u  %5.3f   %5.3f\n",
					subscribers[n], exponents[e], workers[w], use[runs / 2],
					use[0]);
			}
		}
	}
	return 0;
}

// SPDX-License-Identifier: BSD-3-Clause

// OpenSSL takes the time of certificates and tickets from time(), and that of lost DTLS flights
// from gettimeofday(). These definitions take the C library's place in the whole test program, so
// that a held clock holds OpenSSL too.

#include "base/clock.h"

#include <sys/time.h>
#include <time.h>

static int64_t unix_us(void)
{
	// to a microsecond: OpenSSL waits for as long as it is told, and a rounded clock is late
	static int64_t start_us;

	if (!start_us)
		start_us = clock_unix_ms() * 1000 - (int64_t)(clock_now() / 1000);
	return start_us + (int64_t)(clock_now() / 1000);
}

int gettimeofday(struct timeval *restrict tv, void *restrict)
{
	int64_t us = unix_us();

	tv->tv_sec = us / 1000000;
	tv->tv_usec = us % 1000000;
	return 0;
}

time_t time(time_t *out)
{
	time_t now = unix_us() / 1000000;

	if (out)
		*out = now;
	return now;
}

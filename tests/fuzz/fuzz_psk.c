// SPDX-License-Identifier: BSD-3-Clause

// The pre_shared_key extension of a stranger's ClientHello.

#include "dots/psk.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned count = psk_offered(data, size);

	// the list's length, and of each a length and an age
	FUZZ_CHECK(!count || 2 + 6 * (size_t)count <= size);
	return 0;
}

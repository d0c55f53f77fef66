// SPDX-License-Identifier: BSD-3-Clause

// DOTS bodies from a peer. The first byte of the input chooses what the rest is taken for; what is
// accepted must come out of the encoder as bytes that mean the same.

#include "dots/codec.h"
#include "dots/json.h"
#include "dots/validate.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static uint8_t out[2 * 65536], again[2 * 65536];

static void mitigations(const uint8_t *data, size_t size, bool request)
{
	struct mitigation_body *bodies, *copies;
	unsigned count, copied;
	struct err err;
	int length;

	if (codec_read_mitigations(data, size, request, &bodies, &count, &err) < 0)
		return;
	validate_request(bodies, false, &err);
	length = codec_write_mitigations(bodies, count, out, sizeof(out));
	FUZZ_CHECK(length > 0);
	FUZZ_CHECK(codec_read_mitigations(out, (size_t)length, false, &copies, &copied, &err) == 0);
	FUZZ_CHECK(copied == count);
	for (unsigned i = 0; i < count; i++)
		FUZZ_CHECK(scope_equal(&bodies[i].scope, &copies[i].scope));
	FUZZ_CHECK(codec_write_mitigations(copies, copied, again, sizeof(again)) == length);
	FUZZ_CHECK(!memcmp(out, again, (size_t)length));
	mitigation_bodies_free(copies, copied);
	mitigation_bodies_free(bodies, count);
}

static void config(const uint8_t *data, size_t size, bool request)
{
	struct config_body body, copy;
	struct err err;
	int length;

	if (codec_read_config(data, size, request, &body, &err) < 0)
		return;
	length = codec_write_config(&body, out, sizeof(out));
	FUZZ_CHECK(length > 0);
	FUZZ_CHECK(codec_read_config(out, (size_t)length, false, &copy, &err) == 0);
	FUZZ_CHECK(!memcmp(&body, &copy, sizeof(body)));
}

static void redirect(const uint8_t *data, size_t size)
{
	struct redirect_body body;
	struct err err;

	if (codec_read_redirect(data, size, &body, &err) < 0)
		return;
	FUZZ_CHECK(codec_write_redirect(&body, out, sizeof(out)) > 0);
	free(body.record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	bool status;

	if (!size)
		return 0;
	switch (data[0] % 6) {
	case 0:
		mitigations(data + 1, size - 1, true);
		break;
	case 1:
		mitigations(data + 1, size - 1, false);
		break;
	case 2:
		config(data + 1, size - 1, data[0] & 0x80);
		break;
	case 3:
		codec_read_heartbeat(data + 1, size - 1, &status, &err);
		break;
	case 4:
		redirect(data + 1, size - 1);
		break;
	case 5:
		json_decref(json_from_body(data + 1, size - 1, &err));
		break;
	}
	return 0;
}

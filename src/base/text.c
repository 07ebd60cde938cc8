/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <string.h>

bool text_to_uint(const char *text, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		const uint64_t digit = (uint64_t)((unsigned char)text[i] - '0');

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Reads digits and one of the units, which end at an entry without a name. */
static bool read_with_unit(const char *text, const struct unit *units, uint64_t *ret)
{
	const size_t digits = strspn(text, "0123456789");
	uint64_t value;

	if (!text_to_uint(text, digits, &value))
		return false;
	for (; units->name != NULL; units++) {
		if (strcmp(text + digits, units->name) == 0 && value <= UINT64_MAX / units->factor) {
			*ret = value * units->factor;
			return true;
		}
	}
	return false;
}

bool text_to_duration_ms(const char *text, uint64_t *ret)
{
	static const struct unit units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
					     { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };

	if (strcmp(text, "0") == 0) {
		*ret = 0;
		return true;
	}
	return read_with_unit(text, units, ret);
}

bool text_to_size(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 }, { "KiB", 1024 }, { "MiB", 1024 * 1024 }, { "GiB", 1024 * 1024 * 1024 }, { NULL, 0 }
	};

	return read_with_unit(text, units, ret);
}

bool text_has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return true;
	}
	return false;
}

bool text_equal_fold(const char *a, const char *b)
{
	while (*a != '\0' && octet_fold((uint8_t)*a) == octet_fold((uint8_t)*b)) {
		a++;
		b++;
	}
	return octet_fold((uint8_t)*a) == octet_fold((uint8_t)*b);
}

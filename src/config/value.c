/* SPDX-License-Identifier: BSD-2-Clause */
/* One value of the configuration: is it what its row asks for, and where does it go? Texts are judged in
 * check.c. */
#include <inttypes.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "config/tree.h"

/* Limits are shown in the unit people would choose. */
static const char *limit_to_text(const struct config_row *row, uint64_t limit, char ret[32])
{
	static const struct {
		uint64_t factor;
		const char *name;
	} durations[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } },
	  sizes[] = { { 1 << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" }, { 1, "" } };
	size_t i = 0;

	if (row->type == ROW_SECONDS) {
		snprintf(ret, 32, "%" PRIu64 "s", limit);
	} else if (row->type == ROW_DURATION_MS) {
		while (limit % durations[i].factor != 0)
			i++;
		snprintf(ret, 32, "%" PRIu64 "%s", limit / durations[i].factor,
			 limit > 0 ? durations[i].name : "");
	} else if (row->type == ROW_SIZE) {
		while (limit % sizes[i].factor != 0)
			i++;
		snprintf(ret, 32, "%" PRIu64 "%s", limit / sizes[i].factor, sizes[i].name);
	} else {
		snprintf(ret, 32, "%" PRIu64, limit);
	}
	return ret;
}

static bool check_range(const struct config_row *row, const char *text, uint64_t value,
			char error[CONFIG_ERROR_MAX])
{
	char min[32], max[32];

	if (value >= row->min && value <= row->max)
		return true;
	return config_refuse(error, "%s: \"%s\" is not within %s .. %s", row->key, text,
			     limit_to_text(row, row->min, min), limit_to_text(row, row->max, max));
}

static bool read_count(const struct config_row *row, const char *text, void *to, char error[CONFIG_ERROR_MAX])
{
	uint64_t value;

	if (!text_to_uint(text, strlen(text), &value))
		return config_refuse(error, "%s: \"%s\" is not a number", row->key, text);
	if (!check_range(row, text, value, error))
		return false;
	if (to != NULL && row->type == ROW_LONG)
		*(long *)to = (long)value;
	else if (to != NULL)
		*(unsigned *)to = (unsigned)value;
	return true;
}

static bool read_duration(const struct config_row *row, const char *text, void *to,
			  char error[CONFIG_ERROR_MAX])
{
	uint64_t ms;

	if (!text_to_duration_ms(text, &ms))
		return config_refuse(
			error,
			"%s: \"%s\" is not a duration: a whole number and ms, s, m, h or d, as in 500ms",
			row->key, text);
	if (row->type == ROW_DURATION_MS) {
		if (!check_range(row, text, ms, error))
			return false;
		if (to != NULL)
			*(uint64_t *)to = ms;
		return true;
	}

	if (ms % 1000 != 0)
		return config_refuse(error, "%s: \"%s\" is not a number of whole seconds", row->key, text);
	if (!check_range(row, text, ms / 1000, error))
		return false;
	if (to != NULL)
		*(uint32_t *)to = (uint32_t)(ms / 1000);
	return true;
}

static bool read_size(const struct config_row *row, const char *text, void *to, char error[CONFIG_ERROR_MAX])
{
	uint64_t octets;

	if (!text_to_size(text, &octets))
		return config_refuse(
			error,
			"%s: \"%s\" is not a size: a whole number of octets, or with KiB, MiB or GiB, as in 16MiB",
			row->key, text);
	if (!check_range(row, text, octets, error))
		return false;
	if (to != NULL)
		*(uint64_t *)to = octets;
	return true;
}

static bool read_word(const struct config_row *row, const char *text, void *to, char error[CONFIG_ERROR_MAX])
{
	char all[128] = "";

	for (unsigned i = 0; row->words[i] != NULL; i++) {
		if (strcmp(row->words[i], text) == 0) {
			if (to != NULL)
				memcpy(to, &i, sizeof(i)); /* enums without negative values are unsigned */
			return true;
		}
		const size_t len = strlen(all);
		snprintf(all + len, sizeof(all) - len, i > 0 ? ", %s" : "%s", row->words[i]);
	}
	return config_refuse(error, "%s: \"%s\" is none of %s", row->key, text, all);
}

/* One spelling for each: who has to think whether "on" counts has not read a configuration but guessed it. */
static bool read_flag(const struct config_row *row, const char *text, void *to, char error[CONFIG_ERROR_MAX])
{
	const bool value = strcmp(text, "true") == 0;

	if (!value && strcmp(text, "false") != 0)
		return config_refuse(error, "%s: \"%s\" is neither true nor false", row->key, text);
	if (to != NULL)
		*(bool *)to = value;
	return true;
}

bool config_row_read(const struct config_row *row, const char *text, void *base, char error[CONFIG_ERROR_MAX])
{
	void *to = base != NULL ? (char *)base + row->at : NULL;

	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f) /* from the environment: the file has none */
			return config_refuse(error, "%s: has a control character in it", row->key);
	}

	switch (row->type) {
	case ROW_COUNT:
	case ROW_LONG:
		return read_count(row, text, to, error);
	case ROW_SECONDS:
	case ROW_DURATION_MS:
		return read_duration(row, text, to, error);
	case ROW_SIZE:
		return read_size(row, text, to, error);
	case ROW_WORD:
		return read_word(row, text, to, error);
	case ROW_FLAG:
		return read_flag(row, text, to, error);
	default:
		break;
	}
	if (!config_text_check(row, text, error))
		return false;
	if (to != NULL && row->type == ROW_SERVER)
		return endpoint_from_text(text, 53, to);
	if (to != NULL && !config_row_is_list(row))
		*(const char **)to = text;
	return true;
}

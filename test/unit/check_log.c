/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static FILE *captured;
static int terminal;

/* stderr becomes a file that read_log() reads. */
static void capture(void)
{
	unsetenv("JOURNAL_STREAM");
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	terminal = dup(STDERR_FILENO);
	dup2(fileno(captured), STDERR_FILENO);
}

static void release(void)
{
	dup2(terminal, STDERR_FILENO);
	close(terminal);
	fclose(captured);
	log_set_level(LOG_INFO);
}

/* Everything logged so far; valid until the next call. */
static const char *read_log(void)
{
	static char text[1 << 20];
	ssize_t n = pread(fileno(captured), text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

START_TEST(an_event_is_one_line_with_time_and_level)
{
	unsigned year, month, day, hour, minute, second, ms;
	int end = 0;

	log_event(LOG_WARNING, "registry=%s round=failed age_s=%d", "dc1", 42);
	const char *line = read_log();
	ck_assert_int_eq(sscanf(line, "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %n", &year, &month, &day, &hour, &minute,
				&second, &ms, &end),
			 7);
	ck_assert_uint_ge(year, 2024);
	ck_assert_str_eq(line + end, "warning registry=dc1 round=failed age_s=42\n");
}
END_TEST

START_TEST(under_the_journal_the_level_is_a_syslog_prefix)
{
	char stream[64];
	struct stat here;

	ck_assert_int_eq(fstat(STDERR_FILENO, &here), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)here.st_dev, (unsigned long)here.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_event(LOG_ERROR, "a=1");
	log_event(LOG_WARNING, "b=2");
	log_event(LOG_INFO, "c=3");
	unsetenv("JOURNAL_STREAM");
	ck_assert_str_eq(read_log(), "<3>a=1\n<4>b=2\n<6>c=3\n");
}
END_TEST

START_TEST(redirected_away_from_the_journal_lines_have_a_time)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_event(LOG_ERROR, "a=1");
	unsetenv("JOURNAL_STREAM");
	ck_assert_ptr_nonnull(strstr(read_log(), "Z error a=1\n"));
}
END_TEST

START_TEST(less_serious_events_than_the_level_are_left_out)
{
	log_event(LOG_DEBUG, "quiet=1");
	log_event(LOG_INFO, "loud=1");
	log_set_level(LOG_ERROR);
	log_event(LOG_WARNING, "quiet=2");
	log_event(LOG_ERROR, "loud=2");
	log_set_level(LOG_DEBUG);
	log_event(LOG_DEBUG, "loud=3");
	ck_assert_ptr_null(strstr(read_log(), "quiet"));
	ck_assert_uint_eq(count_lines(read_log()), 3);
}
END_TEST

START_TEST(a_long_event_is_cut_and_still_one_line)
{
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_event(LOG_INFO, "long=%s", text);
	log_event(LOG_INFO, "next=1");
	ck_assert_uint_eq(count_lines(read_log()), 2);
	ck_assert_ptr_nonnull(strstr(read_log(), "xxx\n"));
	ck_assert_uint_ge(strcspn(read_log(), "\n"), 1000);
	ck_assert_uint_lt(strcspn(read_log(), "\n"), 1200);
}
END_TEST

static void *log_many(void *context)
{
	for (int i = 0; i < 500; i++)
		log_event(LOG_INFO, "thread=%s text=abcdefghijklmnopqrstuvwxyz end", (const char *)context);
	return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix)
{
	pthread_t threads[4];
	char names[4][2] = { "a", "b", "c", "d" };

	/* O_APPEND, as a log file has it: the threads share the descriptor, not an offset of their own. */
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_APPEND), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);

	const char *text = read_log();
	ck_assert_uint_eq(count_lines(text), 2000);
	for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
		const char *value = strstr(line, "thread=");

		ck_assert_ptr_nonnull(value);
		ck_assert_mem_eq(value + 8, " text=abcdefghijklmnopqrstuvwxyz end\n", 37);
	}
}
END_TEST

START_TEST(a_log_nobody_reads_harms_nobody)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(full, 0);
	dup2(full, STDERR_FILENO);
	log_event(LOG_ERROR, "lost=1");
	close(STDERR_FILENO);
	log_event(LOG_ERROR, "lost=2");
	dup2(fileno(captured), STDERR_FILENO);
	close(full);
	ck_assert_str_eq(read_log(), "");
}
END_TEST

static const struct {
	const char *text, *quoted;
} quotes[] = {
	{ "", "\"\"" },
	{ "connection refused", "\"connection refused\"" },
	{ "say \"no\"", "\"say \\\"no\\\"\"" },
	{ "a\\b", "\"a\\\\b\"" },
	{ "two\nlines\x1b[31m", "\"two\\x0alines\\x1b[31m\"" },
	{ "caf\xc3\xa9\x7f", "\"caf\\xc3\\xa9\\x7f\"" },
};

START_TEST(values_from_outside_are_quoted_and_escaped)
{
	struct log_value value;

	ck_assert_str_eq(log_quote(&value, quotes[_i].text), quotes[_i].quoted);
}
END_TEST

START_TEST(a_quoted_value_is_cut_to_its_room_between_escapes)
{
	char text[1000];
	struct log_value value;

	for (size_t offset = 0; offset < 5; offset++) {
		memset(text, 'x', sizeof(text));
		memset(text + 240 + offset, '\n', 100);
		text[sizeof(text) - 1] = '\0';
		const char *quoted = log_quote(&value, text);
		const size_t len = strlen(quoted);

		ck_assert_uint_lt(len, sizeof(value.text));
		ck_assert_uint_ge(len, sizeof(value.text) - 10);
		ck_assert_uint_eq(quoted[len - 1], '"');
		const char *escape = strchr(quoted, '\\');
		ck_assert_uint_eq(escape == NULL ? 0 : strlen(escape) % 4, escape == NULL ? 0 : 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *events = tcase_create("events");
	TCase *values = tcase_create("values");

	tcase_add_checked_fixture(events, capture, release);
	tcase_add_test(events, an_event_is_one_line_with_time_and_level);
	tcase_add_test(events, under_the_journal_the_level_is_a_syslog_prefix);
	tcase_add_test(events, redirected_away_from_the_journal_lines_have_a_time);
	tcase_add_test(events, less_serious_events_than_the_level_are_left_out);
	tcase_add_test(events, a_long_event_is_cut_and_still_one_line);
	tcase_add_test(events, lines_of_several_threads_do_not_mix);
	tcase_add_test(events, a_log_nobody_reads_harms_nobody);
	tcase_add_loop_test(values, values_from_outside_are_quoted_and_escaped, 0,
			    sizeof(quotes) / sizeof(quotes[0]));
	tcase_add_test(values, a_quoted_value_is_cut_to_its_room_between_escapes);
	suite_add_tcase(suite, events);
	suite_add_tcase(suite, values);
	return harness_run(suite);
}

// SPDX-License-Identifier: MIT
// Our name in a state in every way that JSON can write it; and what is whole.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mention.h"

#define NAME "io.ghostkeep."

static struct state state;
static int failures, cases;

static void put(const char *text, size_t length)
{
	/* the memory behind it holds what would be found, were it read */
	memset(state.bytes, '"', sizeof(state.bytes));
	memcpy(state.bytes, text, length);
	state.length = length;
}

static void expect(bool got, bool wanted, const char *what)
{
	cases++;
	if (got == wanted)
		return;
	failures++;
	printf("FAIL %s: %d for %.*s\n", what, got, (int)state.length, state.bytes);
}

static void mentions(const char *text, bool wanted)
{
	put(text, strlen(text));
	expect(may_mention_us(&state), wanted, "may_mention_us");
}

static void whole(const char *text, size_t length, bool wanted)
{
	put(text, length);
	expect(state_is_whole(&state), wanted, "state_is_whole");
}

/*
 * Our name with each letter as it is or escaped, with hexadecimal digits in both cases: 2 * 2^13
 * keys in one test.
 */
static void every_spelling(void)
{
	char text[256], *p;
	unsigned int which, upper, i;
	int before = cases;

	for (which = 0; which < 1U << strlen(NAME); which++)
		for (upper = 0; upper < 2; upper++) {
			p = text + sprintf(text, "{\"id\":\"a\",\"annotations\":{\"x\\n\":\"\\\\\",\"");
			for (i = 0; i < strlen(NAME); i++)
				if (which & 1U << i)
					p += sprintf(p, upper ? "\\u%04X" : "\\u%04x", NAME[i]);
				else
					*p++ = NAME[i];
			sprintf(p, "enabled\":\"true\"}}");
			mentions(text, true);
		}
	cases = before + 1;
}

static void other_places(void)
{
	mentions("{\"annotations\":{\"io.ghostkeep.limit\":\"1M\"},\"id\":\"a\"}", true);
	mentions("{\n\t\"annotations\" : { \"a\" : \"b\" , \"io.ghostkeep.\" : \"\" } }", true);
	mentions("{\"a\":{\"b\":[{\"io.ghostkeep.x\":1}]}}", true);
	mentions("{\"a\":\"io.ghostkeep.x\"}", true);
	mentions("{\"a\":\"xio.ghostkeep.x\"}", true);
	mentions("{\"annotations\":{\"io.ghostkeep\":\"\",\"io.ghostkee.p\":\"\"}}", false);
	mentions("{\"annotations\":{\"IO.GHOSTKEEP.enabled\":\"true\"}}", false);
	mentions("{}", false);
	put("{\"a\":\"io.ghostkeep", strlen("{\"a\":\"io.ghostkeep"));
	state.bytes[state.length] = '.';
	expect(may_mention_us(&state), false, "behind the end");
}

static void escapes(void)
{
	/* what Go writes for < > & and two line ends; of two backslashes the second begins nothing */
	mentions("{\"a\":\"me \\u003cme@x\\u003e \\u0026 \\u2028\\u2029\"}", false);
	mentions("{\"a\":\"{\\\"b\\\":\\\"\\\\u003c\\\\u0069\\\"}\"}", false);
	mentions("{\"a\":\"\\\\\\u0069\"}", true);
	mentions("{\"a\":\"\\u003d\"}", true);
	mentions("{\"a\":\"\\u00\"", true);
	mentions("{\"a\":\"\\u", true);
	mentions("{\"a\":\"\\", false);
	mentions("{\"a\":\"\\t\\/\\b\\f\\r\\\"\"}", false);
}

static void wholeness(void)
{
	static const char object[] = " {\"a\":[1,{\"b\":\"}\\\"]\\\\\"}],\"\\\\\":null,\"\xc3\xa9\":{}}\r\n";
	static const char *const odd[] = {
		"",
		" ",
		"null",
		"[]",
		"[{}]",
		"\"{}\"",
		"{}}",
		"{}{}",
		"{} x",
		"x{}",
		"\xef\xbb\xbf{}",
		"{\"a\":\"\n\"}",
		"{\"a\":\x01}",
		"{\"\\\"}",
		"{\"a\":\"}",
	};
	size_t length = strlen(object), i;

	whole(object, length, true);
	whole(object, length - 2, true);
	for (i = 0; i < length - 2; i++)
		whole(object, i, false);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		whole(odd[i], strlen(odd[i]), false);
	whole("{\"a\":\"\0\"}", 9, false);
	whole("{\0}", 3, false);
	put("{}", 2);
	memset(state.bytes + 2, ' ', sizeof(state.bytes) - 2);
	state.length = STATE_LIMIT;
	expect(state_is_whole(&state), true, "1 MiB");
	state.length++;
	expect(state_is_whole(&state), false, "more than 1 MiB");
}

static void words(void)
{
	put("{\"id\":\"web-1\",\"a\":\"db\"}", strlen("{\"id\":\"web-1\",\"a\":\"db\"}"));
	expect(has_string(&state, "web-1", 5), true, "has_string");
	expect(has_string(&state, "db", 2), true, "has_string");
	expect(has_string(&state, "web", 3), false, "has_string");
	expect(has_string(&state, "eb-1", 4), false, "has_string");
	put("\"a\"b", 2);
	expect(has_string(&state, "a", 1), false, "has_string behind the end");
}

int main(void)
{
	every_spelling();
	other_places();
	escapes();
	wholeness();
	words();
	if (failures) {
		printf("%d failures in %d cases\n", failures, cases);
		return EXIT_FAILURE;
	}
	printf("ok   %d cases\n", cases);
	return 0;
}

/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
	int err = errno;
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, err ? ": %s\n" : "\n", strerror(err));
	exit(1);
}

static void number_read(const char *text, const struct word *w)
{
	char *end;

	errno = 0;
	*w->number = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-')
		die("%s= wants a number, not \"%s\"", w->name, text);
}

void words_read(char *const *argv, const struct word *table)
{
	errno = 0;
	for (; *argv; argv++) {
		const char *value = strchr(*argv, '=');
		const struct word *w = table;

		if (!value)
			die("\"%s\" is not of the form name=value", *argv);
		while (w->name && (strlen(w->name) != (size_t)(value - *argv) ||
					  strncmp(w->name, *argv, (size_t)(value - *argv)) != 0))
			w++;
		if (!w->name)
			die("no such word: %s", *argv);
		if (w->text)
			*w->text = value + 1;
		else
			number_read(value + 1, w);
	}
}

socklen_t words_address(const char *host, uint64_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	errno = 0;
	*ret_address = (struct sockaddr_storage){0};
	if (host && inet_pton(AF_INET, host, &a4.sin_addr) == 1) {
		memcpy(ret_address, &a4, sizeof(a4));
		return sizeof(a4);
	}
	if (host && inet_pton(AF_INET6, host, &a6.sin6_addr) == 1) {
		memcpy(ret_address, &a6, sizeof(a6));
		return sizeof(a6);
	}
	die("\"%s\" is no address", host ? host : "");
}

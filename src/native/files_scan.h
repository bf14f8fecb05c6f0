/* Listing one directory, for those who list one or many. */

#ifndef TWOFOLD_FILES_SCAN_H
#define TWOFOLD_FILES_SCAN_H

#include "files.h"

#ifdef __linux__

struct name;

struct names {
    char *bytes; /* each with its zero byte */
    size_t used, room, count;
    struct name *sorted;
    size_t packed; /* bytes of all records */
};

/* Lists and sorts; the offset is left at the beginning, so that the next one sees all again.
   Returns an errno; names are to be freed in any case. */
int collect_names(int fd, struct names *names);

/* Looks at names [start, stop) and puts down their records; a vanished one is left out. Returns
   where they end. */
char *examine_names(int fd, const struct names *names, size_t start, size_t stop, char *at);

void free_names(struct names *names);

#endif
#endif

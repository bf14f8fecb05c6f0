/* Names and records of packed listings, for those who read them and those who make them. */

#ifndef TWOFOLD_LISTING_H
#define TWOFOLD_LISTING_H

#include "native.h"

/* Whether a name is one component: not empty, "." or "..", and without a slash or zero byte. */
int is_single_name(const char *name, size_t size);

enum entry_field { /* of an Entry, see twofold/platform/base.py */
    ENTRY_INODE,
    ENTRY_SIZE,
    ENTRY_MTIME,
    ENTRY_CTIME,
    ENTRY_MODE,
    ENTRY_UID,
    ENTRY_GID,
    ENTRY_LINKS,
    ENTRY_FLAGS,
    ENTRY_NAME,
    ENTRY_FIELDS
};

#endif

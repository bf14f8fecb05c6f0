/* Directories of one tree, told in preorder: a name for each and a depth, 1 for those in the
   directory given. Each is opened in the one above it by its name alone, links not followed. */

#ifndef TWOFOLD_FILES_STEPS_H
#define TWOFOLD_FILES_STEPS_H

#include "files.h"

#ifdef __linux__

enum { DEEPEST = 64, ONLY_OPEN = 0x80 };

struct steps {
    const char **names;
    const uint8_t *depths; /* with ONLY_OPEN where one is only on the way to others */
    size_t count;
};

/* Borrows every name and depth, after a look at them: depths must step down by one at most. Returns
   -1 with an exception; to be freed in any case. */
int take_steps(PyObject *names, PyObject *depths, struct steps *steps);
void free_steps(struct steps *steps);

/* A descriptor, or -1 and errno. */
int open_directory(int above, const char *name);

/* The directories open down to where a walk is; the first one is the caller's. */
struct way {
    int fds[DEEPEST + 1];
    size_t deep;
};

/* Takes a step; the descriptor of where it leads, or -1. It stays open until the walk has gone past
   it, or back to the beginning. */
int take_step(struct way *way, const struct steps *steps, size_t number);
void go_back(struct way *way);

#endif
#endif

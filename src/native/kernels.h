/* Several ways to do the same work, of which the best that runs here is used; tests run them all. */

#ifndef TWOFOLD_KERNELS_H
#define TWOFOLD_KERNELS_H

#include "native.h"

typedef struct {
    const char *name;
    size_t lanes;      /* how many pieces it does at a time */
    void (*run)(void); /* cast to what the part's kernels are */
} Kernel;

typedef struct {
    Kernel list[4]; /* the best one first */
    int count;
} Kernels;

void add_kernel(Kernels *kernels, const char *name, size_t lanes, void (*run)(void));

/* The one of a name, the best one for NULL; NULL with ValueError set if it does not run here. */
const Kernel *kernel_named(const Kernels *kernels, const char *name);

/* Tells their names to Python as a tuple, a constant of the module; -1 with an exception set. */
int publish_kernels(PyObject *module, const char *constant, const Kernels *kernels);

#endif

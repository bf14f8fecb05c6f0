/* From directory to directory of one tree, by handle. */

#include "files_steps.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int
open_directory(int above, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int fd = openat(above, name, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM) /* only an owner may leave the time of access alone */
        fd = openat(above, name, flags);
    return fd;
}

static int
check_steps(PyObject *names, struct steps *steps)
{
    size_t before = 0;
    for (size_t i = 0; i < steps->count; i++) {
        char *name;
        Py_ssize_t size;
        size_t depth = steps->depths[i] & ~ONLY_OPEN;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(names, (Py_ssize_t)i), &name, &size) < 0)
            return -1;
        if (!is_single_name(name, (size_t)size) || depth < 1 || depth > before + 1 ||
            depth > DEEPEST) {
            PyErr_SetString(PyExc_ValueError, "this is no tree of directories");
            return -1;
        }
        steps->names[i] = name;
        before = depth;
    }
    return 0;
}

int
take_steps(PyObject *names, PyObject *depths, struct steps *steps)
{
    steps->count = (size_t)PyTuple_Size(names);
    steps->names = NULL;
    if (PyBytes_Size(depths) != (Py_ssize_t)steps->count) {
        PyErr_SetString(PyExc_ValueError, "every name needs its depth");
        return -1;
    }
    steps->depths = (const uint8_t *)PyBytes_AsString(depths);
    steps->names = malloc((steps->count + 1) * sizeof *steps->names);
    if (steps->names == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return check_steps(names, steps);
}

void
free_steps(struct steps *steps)
{
    free(steps->names);
}

static void
leave_to(struct way *way, size_t depth)
{
    while (way->deep > depth)
        close(way->fds[way->deep--]);
}

int
take_step(struct way *way, const struct steps *steps, size_t number)
{
    size_t depth = steps->depths[number] & ~ONLY_OPEN;
    leave_to(way, depth - 1);
    int fd = open_directory(way->fds[way->deep], steps->names[number]);
    if (fd >= 0)
        way->fds[++way->deep] = fd;
    return fd;
}

void
go_back(struct way *way)
{
    leave_to(way, 0);
}

#endif

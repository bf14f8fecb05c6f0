/* Many directories of one tree, listed in one go while other threads run.

   The tree is told in preorder: a name for each directory and a depth, 1 for those in the directory
   given. Each is opened in the one above it by its name alone, links not followed, and stays open
   until the tree has gone past it. */

#include "files_scan.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 64, ONLY_OPEN = 0x80 };

struct place { /* an open directory, or why it is not */
    int fd, error;
    uint64_t device, inode;
};

struct seen {
    int looked, error;
    uint64_t above_device, above_inode, device, inode;
    size_t begin, size; /* of its listing */
};

struct tree {
    const char **names;
    const uint8_t *depths;
    size_t count, limit;
    struct seen *seen;
    char *listings;
    size_t used, room;
};

static void
identify(struct place *place)
{
    struct stat status;
    if (fstat(place->fd, &status) < 0) {
        place->error = errno;
        return;
    }
    place->device = status.st_dev;
    place->inode = status.st_ino;
}

static int
open_directory(int above, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int fd = openat(above, name, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM) /* only an owner may leave the time of access alone */
        fd = openat(above, name, flags);
    return fd;
}

static struct place
enter(const struct place *above, const char *name)
{
    struct place place = {-1, above->error, 0, 0};
    if (place.error)
        return place;
    place.fd = open_directory(above->fd, name);
    if (place.fd < 0)
        place.error = errno;
    else
        identify(&place);
    return place;
}

static void
leave(struct place *place)
{
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
}

static int
make_room(struct tree *tree, size_t size)
{
    if (tree->room - tree->used >= size)
        return 0;
    size_t room = 2 * tree->room + size;
    char *listings = realloc(tree->listings, room);
    if (listings == NULL)
        return ENOMEM;
    tree->listings = listings;
    tree->room = room;
    return 0;
}

static int
list_into(struct tree *tree, int fd, struct seen *seen)
{
    struct names names = {0};
    int error = collect_names(fd, &names);
    if (!error)
        error = make_room(tree, names.packed);
    if (!error && names.packed > 0) {
        char *begin = tree->listings + tree->used;
        seen->begin = tree->used;
        seen->size = (size_t)(examine_names(fd, &names, 0, names.count, begin) - begin);
        tree->used += seen->size;
    }
    free_names(&names);
    return error;
}

static void
look(struct tree *tree, const struct place *above, const struct place *place, struct seen *seen)
{
    seen->looked = 1;
    seen->above_device = above->device;
    seen->above_inode = above->inode;
    seen->device = place->device;
    seen->inode = place->inode;
    seen->error = place->error ? place->error : list_into(tree, place->fd, seen);
}

static void
walk(struct tree *tree, int fd)
{
    struct place way[DEEPEST + 1] = {{.fd = fd}};
    size_t deep = 0;
    identify(&way[0]);
    for (size_t i = 0; i < tree->count && tree->used < tree->limit; i++) {
        size_t depth = tree->depths[i] & ~ONLY_OPEN;
        while (deep >= depth)
            leave(&way[deep--]);
        way[++deep] = enter(&way[depth - 1], tree->names[i]);
        if (!(tree->depths[i] & ONLY_OPEN))
            look(tree, &way[depth - 1], &way[depth], &tree->seen[i]);
    }
    while (deep > 0)
        leave(&way[deep--]);
}

/* Borrows every name, after a look at it; depths must step down by one at most. */
static int
take_steps(struct tree *tree, PyObject *names)
{
    size_t before = 0;
    for (size_t i = 0; i < tree->count; i++) {
        char *name;
        Py_ssize_t size;
        size_t depth = tree->depths[i] & ~ONLY_OPEN;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(names, (Py_ssize_t)i), &name, &size) < 0)
            return -1;
        if (!is_single_name(name, (size_t)size) || depth < 1 || depth > before + 1 ||
            depth > DEEPEST) {
            PyErr_SetString(PyExc_ValueError, "this is no tree of directories");
            return -1;
        }
        tree->names[i] = name;
        before = depth;
    }
    return 0;
}

static PyObject *
told(const struct tree *tree, const struct seen *seen)
{
    if (!seen->looked || seen->error)
        Py_RETURN_NONE;
    const char *listing = seen->size ? tree->listings + seen->begin : "";
    return Py_BuildValue("((KK)(KK)y#)", (unsigned long long)seen->above_device,
                         (unsigned long long)seen->above_inode, (unsigned long long)seen->device,
                         (unsigned long long)seen->inode, listing, (Py_ssize_t)seen->size);
}

static PyObject *
tell(const struct tree *tree)
{
    PyObject *list = PyList_New((Py_ssize_t)tree->count);
    for (size_t i = 0; list != NULL && i < tree->count; i++) {
        PyObject *one = told(tree, &tree->seen[i]);
        if (one == NULL || PyList_SetItem(list, (Py_ssize_t)i, one) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *
scan(int fd, struct tree *tree, PyObject *names)
{
    PyObject *result = NULL;
    tree->names = malloc((tree->count + 1) * sizeof *tree->names);
    tree->seen = calloc(tree->count + 1, sizeof *tree->seen);
    if (tree->names == NULL || tree->seen == NULL) {
        PyErr_NoMemory();
    } else if (take_steps(tree, names) == 0) {
        Py_BEGIN_ALLOW_THREADS
        walk(tree, fd);
        Py_END_ALLOW_THREADS
        result = tell(tree);
    }
    free(tree->names);
    free(tree->seen);
    free(tree->listings);
    return result;
}

PyObject *
scan_tree(PyObject *module, PyObject *args)
{
    (void)module;
    int fd;
    PyObject *names, *depths;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "iO!O!n", &fd, &PyTuple_Type, &names, &PyBytes_Type, &depths,
                          &limit))
        return NULL;
    struct tree tree = {.count = (size_t)PyTuple_Size(names), .limit = (size_t)limit};
    if (PyBytes_Size(depths) != (Py_ssize_t)tree.count || limit < 1) {
        PyErr_SetString(PyExc_ValueError, "every name needs its depth, and a limit above 0");
        return NULL;
    }
    tree.depths = (const uint8_t *)PyBytes_AsString(depths);
    return scan(fd, &tree, names);
}

#endif

/* Many directories of one tree, listed in one go while other threads run.

   The tree is told in preorder: a name for each directory and a depth, 1 for those in the directory
   given. Each is opened in the one above it by its name alone, links not followed, and stays open
   until the tree has gone past it. */

#include "files_scan.h"
#include "files_steps.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
    struct steps steps;
    size_t limit;
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

/* A directory that may not be listed is opened only to go on from it. */
static int
open_to_pass(int above, const char *name)
{
    int fd = open_directory(above, name);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        fd = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

static struct place
enter(const struct place *above, const char *name)
{
    struct place place = {-1, above->error, 0, 0};
    if (place.error)
        return place;
    place.fd = open_to_pass(above->fd, name);
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
    for (size_t i = 0; i < tree->steps.count && tree->used < tree->limit; i++) {
        size_t depth = tree->steps.depths[i] & ~ONLY_OPEN;
        while (deep >= depth)
            leave(&way[deep--]);
        way[++deep] = enter(&way[depth - 1], tree->steps.names[i]);
        if (!(tree->steps.depths[i] & ONLY_OPEN))
            look(tree, &way[depth - 1], &way[depth], &tree->seen[i]);
    }
    while (deep > 0)
        leave(&way[deep--]);
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
    PyObject *list = PyList_New((Py_ssize_t)tree->steps.count);
    for (size_t i = 0; list != NULL && i < tree->steps.count; i++) {
        PyObject *one = told(tree, &tree->seen[i]);
        if (one == NULL || PyList_SetItem(list, (Py_ssize_t)i, one) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *
scan(int fd, struct tree *tree)
{
    PyObject *result = NULL;
    tree->seen = calloc(tree->steps.count + 1, sizeof *tree->seen);
    if (tree->seen == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    walk(tree, fd);
    Py_END_ALLOW_THREADS
    result = tell(tree);
    free(tree->seen);
    free(tree->listings);
    return result;
}

PyObject *
scan_tree(PyObject *module, PyObject *args)
{
    (void)module;
    int fd;
    PyObject *names, *depths, *result = NULL;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "iO!O!n", &fd, &PyTuple_Type, &names, &PyBytes_Type, &depths,
                          &limit))
        return NULL;
    struct tree tree = {.limit = (size_t)limit};
    if (limit < 1)
        PyErr_SetString(PyExc_ValueError, "a limit must be above 0");
    else if (take_steps(names, depths, &tree.steps) == 0)
        result = scan(fd, &tree);
    free_steps(&tree.steps);
    return result;
}

#endif

/* Small files and metadata for many directories of one tree, in one go while other threads run.

   Again only what is usual is done here. At the first directory or file that is not, or goes wrong,
   it ends, and the caller goes on from there in Python. */

#include "files_steps.h"
#include "files_write.h"

#ifdef __linux__

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct files {
    const uint32_t *counts; /* of each directory that is not only passed */
    struct item *items;
    size_t taken;
    const uint8_t *random;
};

/* Whether new files get an access control list from their directory. */
static int
gives_inheritance(int fd)
{
    return fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0;
}

static size_t
write_files(int root, const struct steps *steps, const struct files *files, struct batch *batch)
{
    struct way way = {{root}, 0};
    const uint32_t *wanted = files->counts;
    size_t done = 0;
    for (size_t i = 0; i < steps->count; i++) {
        batch->fd = take_step(&way, steps, i);
        if (batch->fd < 0)
            break;
        if (steps->depths[i] & ONLY_OPEN)
            continue;
        size_t left = files->taken - done, here = *wanted < left ? *wanted : left;
        size_t written = gives_inheritance(batch->fd)
                             ? 0
                             : write_items(batch, files->items + done, here,
                                           files->random + done * RANDOM);
        done += written;
        if (written < *wanted++)
            break;
    }
    go_back(&way);
    return done;
}

static int
go_together(const struct steps *steps, PyObject *lists[3], const Py_buffer *counts,
            const Py_buffer *random)
{
    size_t files = (size_t)PyTuple_Size(lists[0]), sum = 0, directories = 0;
    for (size_t i = 0; i < steps->count; i++)
        directories += !(steps->depths[i] & ONLY_OPEN);
    if ((size_t)counts->len != directories * sizeof(uint32_t))
        return 0;
    for (size_t i = 0; i < directories; i++)
        sum += ((const uint32_t *)counts->buf)[i];
    return sum == files && (size_t)PyTuple_Size(lists[1]) == files &&
           (size_t)PyTuple_Size(lists[2]) == files && (size_t)random->len == files * RANDOM;
}

static PyObject *
write_taken(int root, const struct steps *steps, PyObject *lists[3], struct files *files,
            struct batch *batch)
{
    size_t count = (size_t)PyTuple_Size(lists[0]), done;
    files->items = calloc(count + 1, sizeof *files->items);
    if (files->items == NULL)
        return PyErr_NoMemory();
    files->taken = take_items(lists, 0, files->items);
    Py_BEGIN_ALLOW_THREADS
    done = write_files(root, steps, files, batch);
    Py_END_ALLOW_THREADS
    drop_items(files->items, count);
    return PyLong_FromSize_t(done);
}

PyObject *
write_below(PyObject *module, PyObject *args)
{
    (void)module;
    int root;
    struct batch batch;
    struct steps steps = {0};
    PyObject *names, *depths, *lists[3], *done = NULL;
    Py_buffer counts, random;
    long long now;
    if (!PyArg_ParseTuple(args, "iO!O!y*O!O!O!y*LI", &root, &PyTuple_Type, &names, &PyBytes_Type,
                          &depths, &counts, &PyTuple_Type, &lists[0], &PyTuple_Type, &lists[1],
                          &PyTuple_Type, &lists[2], &random, &now, &batch.kept))
        return NULL;
    batch.now = time_of(now);
    struct files files = {.counts = counts.buf, .random = random.buf};
    if (take_steps(names, depths, &steps) == 0) {
        if (go_together(&steps, lists, &counts, &random))
            done = write_taken(root, &steps, lists, &files, &batch);
        else
            PyErr_SetString(PyExc_ValueError, "the parts of the batch do not go together");
    }
    free_steps(&steps);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&random);
    return done;
}

/* Metadata for a directory that has no flags or attributes to be taken away before or after, in the
   order metadata.py explains. */
static int
give_all(int fd, const struct batch *batch, const struct item *item)
{
    struct stat status;
    if (inode_flags(fd) & batch->kept || flistxattr(fd, NULL, 0) > 0 || fstat(fd, &status) < 0)
        return 0;
    int owned = (item->uid < 0 || item->uid == (int64_t)status.st_uid) &&
                (item->gid < 0 || item->gid == (int64_t)status.st_gid);
    if (!owned && fchown(fd, (uid_t)item->uid, (gid_t)item->gid) < 0)
        return 0;
    if ((!owned || (status.st_mode & 07777) != item->mode) && fchmod(fd, item->mode) < 0)
        return 0;
    return give_time(fd, batch, item->mtime);
}

static size_t
apply_all(int root, const struct steps *steps, const struct item *items, size_t taken,
          const struct batch *batch)
{
    struct way way = {{root}, 0};
    size_t done = 0;
    for (size_t i = 0; i < steps->count && done < taken; i++) {
        int fd = take_step(&way, steps, i);
        if (fd < 0)
            break;
        if (steps->depths[i] & ONLY_OPEN)
            continue;
        if (!give_all(fd, batch, &items[done]))
            break;
        done++;
    }
    go_back(&way);
    return done;
}

/* Takes the attributes of directories as far as they are usual: those of a file, but none extended and
   flags left alone. */
static size_t
take_all(PyObject *attributes, struct item *items)
{
    size_t taken = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(attributes); i++, taken++)
        if (!take_attributes(PyTuple_GetItem(attributes, i), &items[i]) || items[i].flags_matter ||
            items[i].xattr_count)
            break;
    PyErr_Clear();
    return taken;
}

static PyObject *
apply_taken(int root, const struct steps *steps, PyObject *attributes, const struct batch *batch)
{
    size_t count = (size_t)PyTuple_Size(attributes), taken, done;
    struct item *items = calloc(count + 1, sizeof *items);
    if (items == NULL)
        return PyErr_NoMemory();
    taken = take_all(attributes, items);
    Py_BEGIN_ALLOW_THREADS
    done = apply_all(root, steps, items, taken, batch);
    Py_END_ALLOW_THREADS
    drop_items(items, count);
    return PyLong_FromSize_t(done);
}

PyObject *
apply_below(PyObject *module, PyObject *args)
{
    (void)module;
    int root;
    struct batch batch;
    struct steps steps = {0};
    PyObject *names, *depths, *attributes, *done = NULL;
    long long now;
    if (!PyArg_ParseTuple(args, "iO!O!O!LI", &root, &PyTuple_Type, &names, &PyBytes_Type, &depths,
                          &PyTuple_Type, &attributes, &now, &batch.kept))
        return NULL;
    batch.now = time_of(now);
    if (take_steps(names, depths, &steps) == 0)
        done = apply_taken(root, &steps, attributes, &batch);
    free_steps(&steps);
    return done;
}

#endif

#include "hdf5_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "read_back.h"
#include "signature.h"
#include "sinode/memory.h"
#include "sinode/mpi_library.h"
#include "sinode/version.h"

enum { PATH_MOST = 1400, FORMAT = 1 };

static const char damaged[] = "cannot be opened; it is truncated or damaged";

struct sn_file {
  MPI_Comm comm;
  int rank;
  hid_t id, links; /* links: how paths are followed when reading */
  bool writing, met_external_link;
  double bytes;        /* of a file being read */
  sn_written *written; /* and not read back yet */
  char path[PATH_MOST], temporary[PATH_MOST + 4];
  char kind[32];
};

static bool stuck; /* HDF5 keeps a file open that it cannot close */

bool sn_file_is_stuck(void) { return stuck; }

hid_t sn_file_id(const sn_file *file) { return file->id; }
const char *sn_file_path(const sn_file *file) { return file->path; }
MPI_Comm sn_file_comm(const sn_file *file) { return file->comm; }
const char *sn_file_kind(const sn_file *file) { return file->kind; }
hid_t sn_file_links(const sn_file *file) { return file->links; }
bool sn_file_met_external_link(const sn_file *file) { return file->met_external_link; }
double sn_file_bytes(const sn_file *file) { return file->bytes; }

static herr_t set_description(unsigned depth, const H5E_error2_t *error, void *text) {
  (void)depth;
  if (error->desc && *error->desc) snprintf(text, 200, "%s", error->desc);
  return 0;
}

sn_status sn_file_error(const sn_file *file, const char *what) {
  char reason[200] = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, set_description, reason);
  H5Eclear2(H5E_DEFAULT);
  return SN_ERROR(SN_ERROR_FILE, "%s: %s (HDF5: %s)", file->path, what, reason);
}

sn_status sn_file_make_directory(const char *path) {
  char part[PATH_MOST];
  if (strlen(path) >= sizeof part) return SN_ERROR(SN_ERROR_FILE, "%.60s...: the path is too long", path);
  for (size_t k = 0; path[k]; k++) {
    part[k] = path[k];
    if ((k == 0 && path[0] == '/') || (path[k + 1] != '/' && path[k + 1] != '\0')) continue;
    part[k + 1] = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
      return SN_ERROR(SN_ERROR_FILE, "%s: the directory cannot be made: %s", part, strerror(errno));
  }
  struct stat found;
  if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode))
    return SN_ERROR(SN_ERROR_FILE, "%s: is not a directory", path);
  return SN_OK;
}

sn_status sn_file_make_folder_of(const char *path) {
  char folder[PATH_MOST];
  const char *slash = strrchr(path, '/');
  if (!slash || slash == path) return SN_OK;
  snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
  return sn_file_make_directory(folder);
}

/* A link into another file is not followed: only the named file is read. */
static herr_t refuse_link(const char *parent_file, const char *parent, const char *child_file, const char *child,
                          unsigned *flags, hid_t access, void *file) {
  (void)parent_file, (void)parent, (void)child_file, (void)child, (void)flags, (void)access;
  ((sn_file *)file)->met_external_link = true;
  return -1;
}

static sn_status prepare(MPI_Comm comm, const char *path, sn_file **out) {
  H5dont_atexit(); /* what could not be closed is left to MPI_Abort, under which HDF5 would crash */
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* its messages become part of ours */
  H5PLset_loading_state(0);              /* a file must not load filter plugins */
  *out = NULL;
  if (strlen(path) >= PATH_MOST) return SN_ERROR_ALL(SN_ERROR_FILE, "%.60s...: the path is too long", path);
  SN_TRY(sn_collective_status(comm, SN_NEW(1, out)));
  **out = (sn_file){.comm = comm, .id = H5I_INVALID_HID};
  MPI_Comm_rank(comm, &(*out)->rank);
  snprintf((*out)->path, PATH_MOST, "%s", path);
  snprintf((*out)->temporary, sizeof(*out)->temporary, "%s.tmp", path);
  (*out)->links = H5Pcreate(H5P_DATASET_ACCESS);
  H5Pset_elink_cb((*out)->links, refuse_link, *out);
  return SN_OK;
}

/* Properties for MPI-IO, in a format that readers of HDF5 1.8 know as well. */
static hid_t access_by(const sn_file *file, const char *path) {
  if (file->rank == 0) sn_mpi_library_forget(path);
  MPI_Barrier(file->comm);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  MPI_Info hints = sn_mpi_library_hints();
  H5Pset_fapl_mpio(access, file->comm, hints);
  MPI_Info_free(&hints);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110);
  H5Pset_coll_metadata_write(access, true);
  return access;
}

static sn_status write_provenance(sn_file *file, const char *kind, const sn_provenance *provenance) {
  char source[160], history[1200], date[40];
  int ranks;
  time_t now = time(NULL);
  struct tm utc;
  MPI_Bcast(&now, sizeof now, MPI_BYTE, 0, file->comm); /* attributes must be the same on all ranks */
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  snprintf(source, sizeof source, "sinode %s (%s)", SINODE_VERSION, SINODE_COMMIT);
  snprintf(history, sizeof history, "%s %s", date, provenance->command_line);
  MPI_Comm_size(file->comm, &ranks);
  SN_TRY(sn_file_set_string(file, file->id, "Conventions", "CF-1.8"));
  SN_TRY(sn_file_set_string(file, file->id, "title", provenance->title));
  SN_TRY(sn_file_set_string(file, file->id, "source", source));
  SN_TRY(sn_file_set_string(file, file->id, "history", history));
  SN_TRY(sn_file_set_string(file, file->id, "sinode_kind", kind));
  SN_TRY(sn_file_set_int(file, file->id, "sinode_format", FORMAT));
  SN_TRY(sn_file_set_int(file, file->id, "mpi_ranks", ranks));
  if (provenance->held_out) SN_TRY(sn_file_set_string(file, file->id, "validation_data", provenance->held_out));
  return sn_file_set_string(file, file->id, "config", provenance->config);
}

/* Whether the file can be written at all; HDF5's own message for this says little. */
static sn_status try_to_write(const char *temporary) {
  SN_TRY(sn_file_make_folder_of(temporary));
  const int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (descriptor < 0) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", temporary, strerror(errno));
  close(descriptor);
  return SN_OK;
}

sn_status sn_file_create(MPI_Comm comm, const char *path, const char *kind, const sn_provenance *provenance,
                         sn_file **out) {
  SN_TRY(prepare(comm, path, out));
  sn_file *file = *out;
  snprintf(file->kind, sizeof file->kind, "%s", kind);
  sn_status status = sn_collective_status(comm, file->rank == 0 ? try_to_write(file->temporary) : SN_OK);
  if (!status) {
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = access_by(file, file->temporary);
    H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    file->id = H5Fcreate(file->temporary, H5F_ACC_TRUNC, creation, access);
    if (file->id < 0) status = sn_file_error(file, "cannot be created"); /* before other calls change the reason */
    H5Pclose(creation);
    H5Pclose(access);
    file->writing = true;
    status = sn_collective_status(comm, status);
  }
  if (!status) status = sn_collective_status(comm, write_provenance(file, kind, provenance));
  if (status) sn_file_close(out);
  return status;
}

/* Syncs a file to disk and drops its cached pages, so that reading it back reads the disk. */
static sn_status sync_file(const char *path) {
  const int descriptor = open(path, O_RDWR);
  if (descriptor < 0 || fsync(descriptor) != 0) {
    const int reason = errno;
    if (descriptor >= 0) close(descriptor);
    return SN_ERROR(SN_ERROR_FILE, "%s: cannot be synced to disk: %s", path, strerror(reason));
  }
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  close(descriptor);
  return SN_OK;
}

sn_status sn_file_rename(const char *from, const char *to) {
  char folder[PATH_MOST];
  if (rename(from, to) != 0)
    return SN_ERROR(SN_ERROR_FILE, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
  const char *slash = strrchr(to, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - to) : 1, slash ? to : ".");
  const int directory = open(*folder ? folder : "/", O_RDONLY);
  if (directory >= 0) {
    fsync(directory); /* some file systems cannot; the rename stands all the same */
    close(directory);
  }
  return SN_OK;
}

sn_status sn_file_remember(sn_file *file, hid_t dataset, hid_t type, int dimensions, const hsize_t *start,
                           const hsize_t *count, const hsize_t *memory, const void *values) {
  return sn_written_add(&file->written, dataset, type, dimensions, start, count, memory, values);
}

/* Compares what was written since the last call with what is on the disk. */
static sn_status compare(sn_file *file) {
  SN_TRY(sn_collective_status(file->comm, sn_written_compare(file->written, file)));
  sn_written_forget(&file->written);
  return SN_OK;
}

sn_status sn_file_flush(sn_file *file) {
  sn_status status =
      H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? sn_file_error(file, "cannot be flushed to disk") : SN_OK;
  SN_TRY(sn_collective_status(file->comm, status));
  SN_TRY(sn_collective_status(file->comm, file->rank == 0 ? sync_file(file->temporary) : SN_OK));
  return compare(file);
}

/* Closes the written file, synced to disk, still under its temporary name. */
static sn_status close_synced(sn_file *file) {
  sn_status status =
      H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? sn_file_error(file, "cannot be flushed to disk") : SN_OK;
  const bool bad = H5Fclose(file->id) < 0;
  stuck = stuck || bad;
  if (bad && !status) status = sn_file_error(file, "cannot be closed (is the disk full?)");
  file->id = H5I_INVALID_HID;
  SN_TRY(sn_collective_status(file->comm, status));
  return sn_collective_status(file->comm, file->rank == 0 ? sync_file(file->temporary) : SN_OK);
}

static sn_status open_with(sn_file *file, const char *path, unsigned flags, const char *failure) {
  hid_t access = access_by(file, path);
  file->id = H5Fopen(path, flags, access);
  sn_status status = file->id < 0 ? sn_file_error(file, failure) : SN_OK;
  H5Pclose(access);
  struct stat found;
  if (file->rank == 0 && stat(path, &found) == 0) file->bytes = (double)found.st_size;
  MPI_Bcast(&file->bytes, 1, MPI_DOUBLE, 0, file->comm);
  return sn_collective_status(file->comm, status);
}

/* Opens the file again as a reader does, and compares. */
static sn_status read_back(sn_file *file) {
  SN_TRY(open_with(file, file->temporary, H5F_ACC_RDONLY, "does not come back from the disk (is the disk full?)"));
  SN_TRY(sn_collective_status(file->comm, sn_file_read_attributes(file)));
  SN_TRY(compare(file));
  H5Fclose(file->id);
  file->id = H5I_INVALID_HID;
  return SN_OK;
}

sn_status sn_file_commit(sn_file **out) {
  sn_file *file = *out;
  sn_status status = close_synced(file);
  if (!status) status = read_back(file);
  if (!status)
    status = sn_collective_status(file->comm, file->rank == 0 ? sn_file_rename(file->temporary, file->path) : SN_OK);
  if (!status) file->writing = false;
  sn_file_close(out);
  return status;
}

void sn_file_close(sn_file **out) {
  sn_file *file = *out;
  if (!file) return;
  if (file->id >= 0 && H5Fclose(file->id) < 0) stuck = true;
  H5Pclose(file->links);
  sn_written_forget(&file->written);
  if (file->writing && file->rank == 0) unlink(file->temporary);
  SN_FREE(*out);
}

void sn_file_leave(sn_file **out) {
  if (!*out) return;
  (*out)->writing = false;
  sn_file_close(out);
}

/* Plain reading first: its message about a foreign file is better than HDF5's. */
static sn_status try_to_read(const char *path) {
  struct stat found;
  if (stat(path, &found) != 0) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  if (S_ISDIR(found.st_mode)) return SN_ERROR(SN_ERROR_FILE, "%s: is a directory, not a file", path);
  if (!S_ISREG(found.st_mode)) return SN_ERROR(SN_ERROR_FILE, "%s: is not a regular file", path);
  const int descriptor = open(path, O_RDONLY);
  if (descriptor < 0) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  sn_status status = sn_signature_check(descriptor, path);
  close(descriptor);
  return status;
}

static sn_status identify(sn_file *file, const char *kind) {
  long format;
  if (!sn_file_has(file, file->id, "sinode_kind"))
    return SN_ERROR(SN_ERROR_FILE,
                    "%s: has no attribute sinode_kind: it was not written by sinode, nor laid out as its "
                    "documentation of formats says",
                    file->path);
  SN_TRY(sn_file_get_string(file, file->id, "sinode_kind", file->kind, sizeof file->kind));
  SN_TRY(sn_file_get_int(file, file->id, "sinode_format", &format));
  /* A checkpoint holds a model. */
  const bool right =
      !kind || strcmp(kind, file->kind) == 0 || (strcmp(kind, "model") == 0 && strcmp(file->kind, "checkpoint") == 0);
  if (!right) return SN_ERROR(SN_ERROR_FILE, "%s: is a %s file, but a %s file is wanted", file->path, file->kind, kind);
  if (format < 1)
    return SN_ERROR(SN_ERROR_FILE, "%s: sinode_format is %ld, but formats count from 1: the file is damaged",
                    file->path, format);
  if (format > FORMAT)
    return SN_ERROR(SN_ERROR_FILE, "%s: has format %ld, but this version reads up to %d; use a newer sinode",
                    file->path, format, FORMAT);
  return SN_OK;
}

sn_status sn_file_open(MPI_Comm comm, const char *path, const char *kind, sn_file **out) {
  SN_TRY(prepare(comm, path, out));
  sn_file *file = *out;
  sn_status status = sn_collective_status(comm, file->rank == 0 ? try_to_read(path) : SN_OK);
  if (!status) status = open_with(file, path, H5F_ACC_RDONLY, damaged);
  if (!status) status = sn_collective_status(comm, identify(file, kind));
  if (status) sn_file_close(out);
  return status;
}

sn_status sn_file_read_config(MPI_Comm comm, const char *path, const char *kind, char *text, size_t size) {
  sn_file *file;
  SN_TRY(sn_file_open(comm, path, kind, &file));
  sn_status status = sn_collective_status(comm, sn_file_get_string(file, file->id, "config", text, size));
  sn_file_close(&file);
  return status;
}

sn_status sn_file_continue(MPI_Comm comm, const char *path, const char *kind, sn_file **out) {
  SN_TRY(prepare(comm, path, out));
  sn_file *file = *out;
  sn_status status = sn_collective_status(comm, file->rank == 0 ? try_to_read(file->temporary) : SN_OK);
  if (!status) status = open_with(file, file->temporary, H5F_ACC_RDWR, damaged);
  if (!status) status = sn_collective_status(comm, identify(file, kind));
  file->writing = true;
  if (status) sn_file_leave(out);
  return status;
}

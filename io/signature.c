#include "signature.h"

#include <string.h>
#include <unistd.h>

/* Files that people take for data files, and what makes one of them. */
static const struct {
  const char *begins, *is, *remedy;
} others[] = {
    {"CDF\001", "a netCDF-3 file", "convert it by nccopy -k nc4 OLD NEW"},
    {"CDF\002", "a netCDF-3 file (64-bit offsets)", "convert it by nccopy -k nc4 OLD NEW"},
    {"CDF\005", "a netCDF-3 file (64-bit data)", "convert it by nccopy -k nc4 OLD NEW"},
    {"\016\003\023\001", "an HDF4 file", "convert it by h4toh5"},
    {"\223NUMPY", "an array of NumPy", "write it by h5py or xarray, with time, x and the attributes"},
    {"PK\003\004", "a zip archive (.npz, .pt)",
     "write its arrays by h5py or xarray; weights are imported by sinode-tools import"},
    {"MATLAB 5.0", "a MATLAB file before version 7.3", "save it with -v7.3, with time, x and the attributes"}};

sn_status sn_signature_check(int descriptor, const char *path) {
  static const char signature[] = "\211HDF\r\n\032\n";
  char head[16] = "";
  const off_t end = lseek(descriptor, 0, SEEK_END);
  for (off_t at = 0; at + 8 <= end; at = at ? 2 * at : 512)
    if (pread(descriptor, head, 8, at) == 8 && memcmp(head, signature, 8) == 0) return SN_OK;
  memset(head, 0, sizeof head);
  if (pread(descriptor, head, sizeof head - 1, 0) > 0)
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
      if (memcmp(head, others[k].begins, strlen(others[k].begins)) == 0)
        return SN_ERROR(SN_ERROR_FILE, "%s: is not an HDF5 file but %s; %s", path, others[k].is, others[k].remedy);
  return SN_ERROR(SN_ERROR_FILE, "%s: is not an HDF5 file", path);
}

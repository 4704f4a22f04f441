/* In place of libFuzzer: gives every file of the folders named to the fuzz target, once. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return 1;
  uint8_t *data = malloc(1 << 20);
  const size_t size = data ? fread(data, 1, 1 << 20, file) : 0;
  fclose(file);
  if (data) LLVMFuzzerTestOneInput(data, size);
  free(data);
  return 0;
}

int main(int argc, char **argv) {
  int count = 0, failed = 0;
  LLVMFuzzerInitialize(&argc, &argv);
  for (int k = 1; k < argc; k++) {
    DIR *folder = opendir(argv[k]);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
      char path[1400];
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%.1000s/%s", argv[k], entry->d_name);
      failed |= replay(path);
      count++;
    }
    if (folder) closedir(folder);
  }
  printf("%d inputs read\n", count);
  return failed || count == 0;
}

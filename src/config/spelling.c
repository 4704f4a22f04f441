#include "spelling.h"

#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }

int sn_spelling_distance(const char *a, const char *b) {
  enum { MOST = 64 };
  int table[MOST][MOST];
  const int m = least((int)strlen(a), MOST - 1), n = least((int)strlen(b), MOST - 1);
  for (int i = 0; i <= m; i++)
    for (int j = 0; j <= n; j++) {
      if (i == 0 || j == 0) {
        table[i][j] = i + j;
        continue;
      }
      const int same = a[i - 1] == b[j - 1];
      table[i][j] = least(table[i - 1][j - 1] + !same, least(table[i - 1][j], table[i][j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
    }
  return table[m][n];
}

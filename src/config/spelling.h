/* How far a mistyped name is from a right one. */
#ifndef SINODE_CONFIG_SPELLING_H
#define SINODE_CONFIG_SPELLING_H

/* Edits between two words: insertions, deletions, substitutions, swaps of neighbours (Damerau). Words are cut at 63. */
int sn_spelling_distance(const char *a, const char *b);

#endif

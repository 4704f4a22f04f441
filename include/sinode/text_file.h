/* Text files that appear complete or not at all: composed in memory, written under a temporary name and renamed. */
#ifndef SINODE_TEXT_FILE_H
#define SINODE_TEXT_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "sinode/error.h"

enum { SN_TEXT_PATH = 1200 };

/* A text being composed by printing to `stream`. */
typedef struct {
  FILE *stream;
  char *bytes;
  size_t length;
} sn_text;

SN_MUST_CHECK sn_status sn_text_begin(sn_text *text);

/* Ends the text and puts it in the place of the file at path. Local: for one rank. Error SN_ERROR_FILE. */
SN_MUST_CHECK sn_status sn_text_replace(sn_text *text, const char *path);

#endif

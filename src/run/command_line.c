#include "command_line.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The option of this name of any command, and its command; NULL: there is none. */
static const sn_option *find_option(const sn_program *program, const char *word, const sn_command **owner) {
  for (int k = 0; k < program->commands; k++)
    for (const sn_option *option = program->command[k]->options; option && option->name; option++)
      if (strcmp(option->name, word) == 0) {
        *owner = program->command[k];
        return option;
      }
  return NULL;
}

static bool is_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

static sn_status take_option(const sn_option *option, const char *text, sn_app *app) {
  void *member = (char *)app + option->member;
  if (option->type == SN_OPTION_FLAG) {
    *(bool *)member = true;
    return SN_OK;
  }
  char *end = NULL;
  const long number = text && option->type == SN_OPTION_RANKS ? strtol(text, &end, 10) : 0;
  if (!text || (option->type == SN_OPTION_RANKS && (*end || number < 1 || number > INT_MAX)))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s needs %s after it, not '%s'", option->name, option->value,
                        text ? text : "");
  if (option->type == SN_OPTION_RANKS)
    *(int *)member = (int)number;
  else
    *(const char **)member = text;
  return SN_OK;
}

static sn_status take_setting(int argc, char **argv, int *i, sn_command_line *line) {
  const char *value = argv[*i] + 5;
  if (*value == '\0' && *i + 1 == argc) return SN_ERROR_ALL(SN_ERROR_USAGE, "--set needs section.key=value after it");
  if (line->setting_count == SN_SETTINGS_MOST)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "more than %d --set options; put them into the parameter file",
                        line->setting_count);
  line->settings[line->setting_count++] = *value ? value + 1 : argv[++*i];
  return SN_OK;
}

/* A word that is no option: the command, or what it works on. */
static sn_status take_word(const sn_program *program, char **argv, int i, sn_command_line *line) {
  const char *word = argv[i];
  if (!line->command) {
    line->place = i;
    return sn_program_find(program, word, &line->command);
  }
  if (line->operand || !*line->command->operand)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "unexpected argument '%s' after '%s'; values are given by --set key=value",
                        word, line->operand ? line->operand : line->command->name);
  line->operand = word;
  return SN_OK;
}

/* The first option that is given, but another command's. */
static sn_status validate_options(const sn_program *program, int argc, char **argv, const sn_command_line *line) {
  const sn_command *owner;
  for (int i = 1; i < argc; i++) {
    const sn_option *option = find_option(program, argv[i], &owner);
    if (!option || owner == line->command) continue;
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s belongs to the command %s%s%s", option->name, owner->name,
                        option->advice ? "; " : "", option->advice ? option->advice : "");
  }
  return SN_OK;
}

sn_status sn_command_line_parse(const sn_program *program, int argc, char **argv, sn_app *app, sn_command_line *line) {
  const sn_command *owner;
  *line = (sn_command_line){.command = program->commands == 1 ? program->command[0] : NULL};
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    const sn_option *option = find_option(program, word, &owner);
    if (is_help(word)) {
      line->help = true;
    } else if (strcmp(word, "--version") == 0) {
      line->version = true;
    } else if (strcmp(word, "--quiet") == 0) {
      line->quiet = true;
    } else if (strcmp(word, "--overwrite") == 0) {
      app->overwrite = true;
    } else if (strcmp(word, "--set") == 0 || strncmp(word, "--set=", 6) == 0) {
      SN_TRY(take_setting(argc, argv, &i, line));
    } else if (option) {
      const bool valued = option->type != SN_OPTION_FLAG;
      SN_TRY(take_option(option, valued && i + 1 < argc ? argv[i + 1] : NULL, app));
      i += valued;
    } else if (word[0] == '-') {
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown option '%s'; see %s --help", word, program->name);
    } else {
      SN_TRY(take_word(program, argv, i, line));
    }
  }
  if (line->help || line->version) return SN_OK;
  if (!line->command)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "no command given; see %s --help for what there is", program->name);
  if (!line->operand && *line->command->operand)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s needs %s; see sinode %s --help", line->command->name,
                        line->command->operand, line->command->name);
  return validate_options(program, argc, argv, line);
}

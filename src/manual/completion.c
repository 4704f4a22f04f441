#include <string.h>

#include "commands/commands.h"
#include "config/schema.h"
#include "manual.h"
#include "sinode/tableau.h"

static void put_names(FILE *out) {
  fputs("  local commands=\"", out);
  for (int k = 0; k < sn_sinode.commands; k++) fprintf(out, "%s%s", k ? " " : "", sn_sinode.command[k]->name);
  fputs("\"\n  local options=\"--help", out);
  for (const sn_term *option = sn_program_options(); option->name; option++)
    fprintf(out, " %.*s", (int)strcspn(option->name, " "), option->name);
  fputs("\"\n  local keys=\"", out);
  for (int k = 0; k < sn_config_keys(); k++) fprintf(out, "%s%s", k ? " " : "", sn_config_key_at(k)->path);
  fputs("\"\n", out);
}

/* The values a key may take, where they are names. */
static void put_choices(FILE *out) {
  fputs("  local choices=\n  case \"$1\" in\n", out);
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (key->type != SN_KEY_SWITCH && key->type != SN_KEY_CHOICE && key->type != SN_KEY_SCHEME) continue;
    fprintf(out, "    %s) choices=\"", key->path);
    if (key->type == SN_KEY_SWITCH) fputs("true false", out);
    for (int c = 0; key->type == SN_KEY_CHOICE && key->choices[c].name; c++)
      fprintf(out, "%s%s", c ? " " : "", key->choices[c].name);
    for (int c = 0; key->type == SN_KEY_SCHEME && c < sn_tableau_count(); c++)
      fprintf(out, "%s%s", c ? " " : "", sn_tableau_name_at(c));
    fputs("\" ;;\n", out);
  }
  fputs("  esac\n", out);
}

void sn_manual_completion(FILE *out) {
  fputs(
      "# bash completion for sinode and sinode-bench: commands, options, keys after --set and their choices.\n"
      "_sinode_choices() {\n",
      out);
  put_choices(out);
  fputs("  COMPREPLY=($(compgen -W \"$choices\" -- \"$2\"))\n}\n\n_sinode() {\n", out);
  put_names(out);
  /* bash takes words apart at '=': "--set", "key", "=", "value". */
  fputs(
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  if [[ $word == = ]]; then\n"
      "    _sinode_choices \"$before\" \"\"\n"
      "  elif [[ $before == = && ${COMP_WORDS[COMP_CWORD-3]} == --set ]]; then\n"
      "    _sinode_choices \"${COMP_WORDS[COMP_CWORD-2]}\" \"$word\"\n"
      "  elif [[ $before == --set ]]; then\n"
      "    COMPREPLY=($(compgen -S = -W \"$keys\" -- \"$word\"))\n"
      "    compopt -o nospace 2>/dev/null\n"
      "  elif ((COMP_CWORD == 1)) && [[ ${1##*/} == sinode ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$commands --help --version\" -- \"$word\"))\n"
      "  elif [[ $before == explain ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$keys\" -- \"$word\"))\n"
      "  elif [[ $before == template ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$commands\" -- \"$word\"))\n"
      "  elif [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "    compopt -o filenames 2>/dev/null\n"
      "  fi\n"
      "}\n"
      "complete -F _sinode sinode sinode-bench\n",
      out);
}

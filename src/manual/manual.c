/* sinode_manual PAGE FILE: writes sinode.1, sinode-bench.1, sinode.yaml.5 (man(7) macros) or sinode.bash. */
#include "manual.h"

#include <string.h>

#include "commands/commands.h"
#include "config/schema.h"
#include "run/benchmark.h"
#include "sinode/version.h"

/* Text as roff takes it: no line begins with a control character, backslashes and minus signs stay what they are. */
static void put_text(FILE *out, const char *text) {
  bool fresh = true;
  for (const char *c = text; *c; c++) {
    if (fresh && (*c == '.' || *c == '\'')) fputs("\\&", out);
    fresh = *c == '\n';
    if (*c == '\\')
      fputs("\\e", out);
    else if (*c == '-')
      fputs("\\-", out);
    else
      fputc(*c, out);
  }
}

static void put_line(FILE *out, const char *before, const char *text) {
  fputs(before, out);
  put_text(out, text);
  fputc('\n', out);
}

static void put_heading(FILE *out, const char *name, const char *section, const char *summary) {
  fprintf(out, ".TH %s %s \"\" \"sinode %s\"\n.SH NAME\n%s \\- ", name, section, SINODE_VERSION, name);
  put_line(out, "", summary);
}

static void put_terms(FILE *out, const sn_term *term) {
  for (; term->name; term++) {
    put_line(out, ".TP\n.B ", term->name);
    put_line(out, "", term->meaning);
  }
}

static void write_program_page(FILE *out) {
  put_heading(out, "sinode", "1", "trains semi-implicit neural ODEs, in parallel");
  fputs(
      ".SH SYNOPSIS\n.B sinode\n.I COMMAND CONFIG.yaml\n[\\fB\\-\\-set\\fR \\fIsection.key=value\\fR]...\n"
      "[\\fB\\-\\-quiet\\fR] [\\fB\\-\\-overwrite\\fR]\n.br\n.B mpirun \\-n\n.I RANKS\n.B sinode\n.I COMMAND "
      "CONFIG.yaml ...\n"
      ".br\n.B sinode \\-\\-help\n|\n.B \\-\\-version\n|\n.I COMMAND\n.B \\-\\-help\n",
      out);
  fputs(
      ".SH DESCRIPTION\nOne parameter file, see\n.BR sinode.yaml (5),\ndescribes a run; a command does a part of it, "
      "on all ranks that the launcher starts.\n.SH COMMANDS\n",
      out);
  for (int k = 0; k < sn_sinode.commands; k++) {
    const sn_command *command = sn_sinode.command[k];
    fprintf(out, ".TP\n.B %s\n.I %s\n", command->name, command->operand);
    put_line(out, "", command->summary);
    put_line(out, ".IP\n", command->help);
  }
  fputs(".SH OPTIONS\n", out);
  put_terms(out, sn_program_options());
  fputs(".SH EXIT STATUS\n", out);
  put_terms(out, sn_program_statuses());
  fputs(
      ".SH ENVIRONMENT\n.TP\n.B SINODE_TRACE\nIf set, an error is followed by the calls it came through.\n"
      ".SH EXAMPLES\n.nf\nsinode template train > my.yaml\nmpirun \\-n 2 sinode train my.yaml \\-\\-set "
      "train.epochs=100\n"
      ".fi\n.SH SEE ALSO\n.BR sinode\\-bench (1),\n.BR sinode.yaml (5)\n",
      out);
}

static void write_bench_page(FILE *out) {
  put_heading(out, "sinode-bench", "1", sn_benchmark_summary);
  fputs(
      ".SH SYNOPSIS\n.B sinode\\-bench\n.I CONFIG.yaml\n[\\fB\\-\\-machine\\fR]\n[\\fB\\-\\-model\\fR "
      "\\fIRANKS\\fR[x\\fISPACE\\fR],...]\n[\\fB\\-\\-set\\fR \\fIsection.key=value\\fR]...\n.br\n"
      ".B sinode\\-bench \\-\\-help\n|\n.B \\-\\-version\n",
      out);
  fputs(".SH DESCRIPTION\nWhat\n.B sinode benchmark\nruns, with the same words behind it.\n.PP\n.nf\n", out);
  put_line(out, "", sn_benchmark_help);
  fputs(".fi\n.SH OPTIONS\n", out);
  put_terms(out, sn_program_options());
  fputs(".SH EXIT STATUS\n", out);
  put_terms(out, sn_program_statuses());
  fputs(".SH SEE ALSO\n.BR sinode (1),\n.BR sinode.yaml (5)\n", out);
}

/* Commands of a bit set, by name. */
static void put_readers(FILE *out, const sn_config_key *key) {
  const char *separator = "Read by ";
  for (int k = 0; k < sn_sinode.commands; k++) {
    const sn_command *command = sn_sinode.command[k];
    if (command->reads == SN_FOR_ALL || !(command->reads & key->commands)) continue;
    fprintf(out, "%s%s%s", separator, command->name, command->reads & key->required ? " (required)" : "");
    separator = ", ";
  }
  fputs(".\n", out);
}

static void put_key(FILE *out, const sn_config_key *key) {
  char expected[512], line[1024];
  sn_config_expected(key, expected, sizeof expected);
  put_line(out, ".TP\n.B ", key->path);
  put_line(out, "", key->help);
  snprintf(line, sizeof line, "Takes %s%s%s%s; default: %s.", expected, key->unit ? " [" : "",
           key->unit ? key->unit : "", key->unit ? "]" : "", key->fallback ? key->fallback : "none");
  put_line(out, ".br\n", line);
  fputs(".br\n", out);
  put_readers(out, key);
}

static void write_keys_page(FILE *out) {
  put_heading(out, "sinode.yaml", "5", "parameter file of sinode");
  fputs(
      ".SH DESCRIPTION\nYAML: sections of keys, as in\n.PP\n.nf\n"
      "grid:\n  points: 64\n  length: 22.0\ntrain: {data: data.h5, epochs: 200}\n.fi\n.PP\n"
      "A key named\n.B section.key\nbelow stands in its section. Every key has a default but those marked as required. "
      "An unknown key, a wrong type\nand a value out of range are errors that name the file, the line, the key and the "
      "nearest valid name.\n.B sinode template\n.I COMMAND\nprints a complete commented file.\n.SH KEYS\n",
      out);
  char before[SN_CONFIG_KEY_LENGTH] = "";
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    char section[SN_CONFIG_KEY_LENGTH];
    snprintf(section, sizeof section, "%.*s", (int)strcspn(key->path, "."), key->path);
    if (strcmp(section, before) != 0) fprintf(out, ".SS %s\n", section);
    strcpy(before, section);
    put_key(out, key);
  }
  fputs(".SH SEE ALSO\n.BR sinode (1)\n", out);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*write)(FILE *out);
  } pages[] = {{"sinode.1", write_program_page},
               {"sinode-bench.1", write_bench_page},
               {"sinode.yaml.5", write_keys_page},
               {"sinode.bash", sn_manual_completion}};
  for (size_t k = 0; argc == 3 && k < sizeof pages / sizeof pages[0]; k++) {
    if (strcmp(argv[1], pages[k].name) != 0) continue;
    FILE *out = fopen(argv[2], "w");
    if (!out) break;
    pages[k].write(out);
    return fclose(out) ? 3 : 0;
  }
  fputs("usage: sinode_manual sinode.1|sinode-bench.1|sinode.yaml.5|sinode.bash FILE\n", stderr);
  return 2;
}
